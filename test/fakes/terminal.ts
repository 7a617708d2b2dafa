// A terminal whose output is kept, for tests of commands inside the process.
import type { Terminal } from '../../src/cli/terminal.ts';

export interface FakeTerminal extends Terminal {
  /** Everything on standard output, on standard error. */
  readonly out: () => string;
  readonly err: () => string;
  interrupt(): void;
}

export interface FakeTerminalOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly isScreen?: boolean;
}

export const fakeTerminal = ({ env = {}, input = '', isScreen = false }: FakeTerminalOptions = {}): FakeTerminal => {
  let out = '';
  let err = '';
  const interrupted = new AbortController();
  return {
    env,
    isScreen,
    isErrorScreen: isScreen,
    columns: 100,
    hasColour: false,
    exitCode: 0,
    endsWithReader: true,
    print: (line) => {
      out += `${line}\n`;
    },
    write: (text) => {
      out += text;
    },
    note: (line) => {
      err += `${line}\n`;
    },
    writeNote: (text) => {
      err += text;
    },
    readInput: async () => input,
    onInterrupt: () => interrupted.signal,
    out: () => out,
    err: () => err,
    interrupt: () => interrupted.abort(),
  };
};
