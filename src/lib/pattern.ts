// Regular expressions that take linear time on any input, unlike RegExp, so that no caller can stall the proxy with a
// crafted path. RE2's syntax, full match. Called by the proxy's router for routes, by kinds to check what users write.
import { WeftError } from './errors.ts';
import { type ByteSet, type Node, parsePattern } from './pattern-parse.ts';

export interface Pattern {
  readonly source: string;
  /** True when the whole text matches. The text is a latin1 string; a character beyond latin1 never matches. */
  matches(text: string): boolean;
}

type Instruction =
  | { readonly op: 'set'; readonly set: ByteSet }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'split'; to: number; or: number }
  | { readonly op: 'start' }
  | { readonly op: 'end' }
  | { readonly op: 'match' };

// Bounds both the memory of a program and the work per input byte when states are not yet known.
const MAX_PROGRAM = 2000;
const MAX_STATES = 400;

const emit = (program: Instruction[], node: Node): void => {
  if (program.length > MAX_PROGRAM) {
    throw new WeftError('PATTERN_INVALID', 'the regular expression is too large', {
      hint: 'use fewer or smaller repetitions',
    });
  }
  switch (node.type) {
    case 'set':
      program.push({ op: 'set', set: node.set });
      return;
    case 'start':
    case 'end':
      program.push({ op: node.type });
      return;
    case 'sequence':
      for (const part of node.parts) emit(program, part);
      return;
    case 'choice':
      emitChoice(program, node.options);
      return;
    case 'repeat':
      emitRepeat(program, node);
  }
};

const emitChoice = (program: Instruction[], options: readonly Node[]): void => {
  const jumps: { to: number }[] = [];
  options.forEach((option, i) => {
    if (i === options.length - 1) {
      emit(program, option);
      return;
    }
    const split = { op: 'split' as const, to: program.length + 1, or: 0 };
    program.push(split);
    emit(program, option);
    const jump = { op: 'jump' as const, to: 0 };
    program.push(jump);
    jumps.push(jump);
    split.or = program.length;
  });
  for (const jump of jumps) jump.to = program.length;
};

const emitRepeat = (program: Instruction[], { part, min, max }: Node & { type: 'repeat' }): void => {
  for (let i = 0; i < min; i++) {
    const before = program.length;
    emit(program, part);
    // What is empty stays so however often it is repeated; nested, the loops would never end.
    if (program.length === before) return;
  }
  if (max === Number.POSITIVE_INFINITY) {
    const at = program.length;
    const split = { op: 'split' as const, to: at + 1, or: 0 };
    program.push(split);
    emit(program, part);
    program.push({ op: 'jump', to: at });
    split.or = program.length;
    return;
  }
  const splits: { or: number }[] = [];
  for (let i = min; i < max; i++) {
    const split = { op: 'split' as const, to: program.length + 1, or: 0 };
    program.push(split);
    splits.push(split);
    emit(program, part);
  }
  for (const split of splits) split.or = program.length;
};

/** A set of places in the program, with the states that single bytes lead to, filled in as they are met. */
interface State {
  readonly places: readonly number[];
  readonly accepts: boolean;
  readonly next: (State | undefined)[];
}

/** Runs a program as a deterministic automaton whose states are built when first met, and forgotten when too many. */
class Automaton implements Pattern {
  readonly source: string;
  readonly #program: readonly Instruction[];
  #states = new Map<string, State>();
  #start: State;

  constructor(source: string, program: readonly Instruction[]) {
    this.source = source;
    this.#program = program;
    this.#start = this.#stateOf([0], true);
  }

  matches(text: string): boolean {
    let state = this.#start;
    for (let i = 0; i < text.length; i++) {
      const byte = text.charCodeAt(i);
      if (byte > 255) return false;
      state = state.next[byte] ?? this.#step(state, byte);
      if (state.places.length === 0) return false;
    }
    return state.accepts;
  }

  #step(from: State, byte: number): State {
    const targets: number[] = [];
    for (const place of from.places) {
      const instruction = this.#program[place]!;
      if (instruction.op === 'set' && instruction.set[byte] === 1) targets.push(place + 1);
    }
    if (this.#states.size >= MAX_STATES) {
      this.#states = new Map();
      this.#start = this.#stateOf([0], true);
    }
    const state = this.#stateOf(targets, false);
    from.next[byte] = state;
    return state;
  }

  #stateOf(targets: readonly number[], atStart: boolean): State {
    const places = this.#closure(targets, atStart, false);
    // At the start `^` holds, so the start never stands for the same places met later.
    const key = `${atStart ? '^' : ''}${places.join()}`;
    const known = this.#states.get(key);
    if (known) return known;
    const accepts = this.#closure(targets, atStart, true).some((place) => this.#program[place]!.op === 'match');
    const state: State = { places, accepts, next: new Array(256) };
    this.#states.set(key, state);
    return state;
  }

  /** Every place that is reached without reading a byte. */
  #closure(targets: readonly number[], atStart: boolean, atEnd: boolean): number[] {
    const seen = new Set<number>();
    const waiting = [...targets];
    while (waiting.length) {
      const place = waiting.pop()!;
      if (seen.has(place)) continue;
      seen.add(place);
      const instruction = this.#program[place]!;
      if (instruction.op === 'jump') waiting.push(instruction.to);
      else if (instruction.op === 'split') waiting.push(instruction.to, instruction.or);
      else if (instruction.op === 'start' && atStart) waiting.push(place + 1);
      else if (instruction.op === 'end' && atEnd) waiting.push(place + 1);
    }
    const stops = [...seen].filter((place) => ['set', 'match', 'end'].includes(this.#program[place]!.op));
    return stops.sort((a, b) => a - b);
  }
}

/** Throws PATTERN_INVALID with what is wrong or not supported (look-around, back-references, `\b`, `\p`). */
export const compilePattern = (source: string): Pattern => {
  const program: Instruction[] = [];
  emit(program, parsePattern(source));
  program.push({ op: 'match' });
  return new Automaton(source, program);
};
