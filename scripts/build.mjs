/** `npm run build`: packages, native addon, TypeScript, bundle of the server. */
import { fail, setUp } from './setup.mjs';

try {
  await setUp();
} catch (error) {
  fail(error.message);
}
