/** The `mserve` command from its modules, bundled or not. */
import { runCommand } from '../../apps/server/dist/cli/command.js';

await runCommand();
