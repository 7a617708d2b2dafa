// Starts the user's editor on a file and waits for it. Used by edit.ts.
import { spawn } from 'node:child_process';
import { WeftError } from '../lib/errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** The editor as a shell command: $WEFT_EDITOR, $VISUAL, $EDITOR, else vi. It may have arguments (`code --wait`). */
const editorCommand = (env: Env): string => env.WEFT_EDITOR || env.VISUAL || env.EDITOR || 'vi';

/** Resolves when the editor has ended well. */
export const openEditor = async (file: string, env: Env): Promise<void> => {
  const editor = editorCommand(env);
  // Ctrl-C belongs to the editor as long as it runs.
  const ignore = () => {};
  process.on('SIGINT', ignore);
  try {
    const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject).once('exit', (status) => resolve(status ?? 1));
    });
    if (code !== 0) {
      const what = code === 127 ? `the editor "${editor}" is not found` : `the editor "${editor}" ended with ${code}`;
      throw new WeftError('EDITOR_FAILED', what, { hint: 'set EDITOR to the editor that you use' });
    }
  } finally {
    process.off('SIGINT', ignore);
  }
};
