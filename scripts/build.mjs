/** `npm run build`: packages, native addon, TypeScript. */
import { fail, setUp } from './setup.mjs';

try {
  await setUp();
} catch (error) {
  fail(error.message);
}
