// The `weft` program: bin/weft starts it. Everything else is loaded by the command that needs it.
import { enableCompileCache } from 'node:module';

enableCompileCache();
const { runProgram } = await import('./cli/program.ts');
const { openTerminal } = await import('./cli/terminal.ts');
process.exitCode = await runProgram(process.argv.slice(2), openTerminal());
// A channel to the parent that is still open would keep a finished process alive.
if (process.connected) process.disconnect();
