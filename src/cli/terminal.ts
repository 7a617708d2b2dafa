// The terminal as an argument of every command: where it prints, what it knows of the screen, how it hears Ctrl-C.
import { WeftError } from '../lib/errors.ts';

export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether standard output, standard error is a screen. */
  readonly isScreen: boolean;
  readonly isErrorScreen: boolean;
  /** Width of the screen; 0 where there is none. */
  readonly columns: number;
  /** Whether state may be coloured on standard output. */
  readonly hasColour: boolean;
  /** Result of a command that did not throw: 0, or 3 for "found problems", 130 after Ctrl-C. */
  exitCode: number;
  /** Whether the program ends when the reader of its output has gone (`| head`); false for what serves others. */
  endsWithReader: boolean;
  /** A line on standard output; with `write` the text as it is. */
  print(line: string): void;
  write(text: string): void;
  /** A line on standard error: warnings, progress, "nothing found". */
  note(line: string): void;
  writeNote(text: string): void;
  /** Everything on standard input, as text. */
  readInput(): Promise<string>;
  /** Aborts on the first Ctrl-C or SIGTERM, for commands that must clean up; sets exitCode to 130. */
  onInterrupt(): AbortSignal;
}

const MAX_INPUT_BYTES = 64 * 1024 * 1024;

const readAll = async (stream: AsyncIterable<Buffer>): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > MAX_INPUT_BYTES) throw new WeftError('INPUT_TOO_LARGE', 'standard input is larger than 64 MiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** The process's own terminal. A reader that went away (`| head`) ends the program quietly. */
export const openTerminal = (): Terminal => {
  const { stdout, stderr, stdin, env } = process;
  let interrupted: AbortController | undefined;
  const terminal: Terminal = {
    env,
    isScreen: stdout.isTTY === true,
    isErrorScreen: stderr.isTTY === true,
    columns: stdout.columns ?? 0,
    hasColour: stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb',
    exitCode: 0,
    endsWithReader: true,
    print: (line) => void stdout.write(`${line}\n`),
    write: (text) => void stdout.write(text),
    note: (line) => void stderr.write(`${line}\n`),
    writeNote: (text) => void stderr.write(text),
    readInput: () => readAll(stdin),
    onInterrupt() {
      if (interrupted) return interrupted.signal;
      const controller = new AbortController();
      interrupted = controller;
      for (const name of ['SIGINT', 'SIGTERM'] as const) {
        process.on(name, () => {
          if (controller.signal.aborted) process.exit(130);
          terminal.exitCode = 130;
          controller.abort();
        });
      }
      return controller.signal;
    },
  };
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (terminal.endsWithReader) process.exit(0);
    });
  }
  return terminal;
};
