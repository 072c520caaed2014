/** A process that examines one provider and prints its report as JSON: `node examine-main.js PROVIDER [LIBRARY]`. See {@link examineApart}. */
import { examineProvider } from './machine.js';

const [provider = 'cpu', libraryPath] = process.argv.slice(2);
// The libraries of vendors keep threads that would hold the process
process.stdout.write(JSON.stringify(examineProvider(provider, { libraryPath })), () => process.exit(0));
