// What concerns an HTTP/2 connection as a whole (RFC 9113, 6.5, 6.7, 6.8 and 10.5): SETTINGS, PING, GOAWAY, how it ends, and
// what it bears from a peer that asks for too much. Owned by connection.ts.
import { Deadline } from '../deadlines.ts';
import type { Wire } from '../wires/wire.ts';
import type { Http2Context } from './connection.ts';
import { ANSWERED, CHEAP, FloodGuard } from './flood-guard.ts';
import * as h2 from './frames.ts';
import type { Outbox } from './outbox.ts';
import { CONNECTION_WINDOW, DEFAULT_WINDOW, PeerSettings, type Role, settingsText } from './settings.ts';

export interface ControlHost {
  readonly wire: Wire;
  readonly outbox: Outbox;
  readonly activeStreams: number;
  /** Server: the last stream that was begun. */
  readonly lastId: number;
  /** Nothing is read any more. */
  stopReading(): void;
  resetAll(code: number): void;
}

export interface ControlOwner {
  onGoingAway(): void;
}

/** Answers to PING and SETTINGS that wait for a peer that does not read. */
const MAX_OWED = 1000;
const GO_AWAY_PING = 'go away?';
const HEARTBEAT_PING = 'at home?';

/** After so long without a byte a peer may be gone without a word. */
const SILENT_MS = 1000;

const OPEN = 0;
/** Nothing is read any more; what waits is sent, then the wire is closed. */
const CLOSING = 1;
const CLOSED = 2;

export class Control {
  readonly peer = new PeerSettings();
  readonly #host: ControlHost;
  readonly #context: Http2Context;
  readonly #role: Role;
  readonly #owner: ControlOwner;
  readonly #guard = new FloodGuard();
  /** The handshake, then the end. */
  readonly #deadline = new Deadline(() => this.#onDue());
  #state = OPEN;
  /** The peer's SETTINGS have come. */
  greeted = false;
  goingAway = false;
  peerGoingAway = false;
  /** The last stream that the peer may count on, once it was told so. */
  finalId = h2.MAX_ID;
  error: Error | undefined;
  /** Client: when the peer was last heard. */
  heardAtMs = 0;
  /** Of the frames of DATA that were sent, those that have refilled the budget. */
  #countedData = 0;
  #owed = 0;

  constructor(host: ControlHost, context: Http2Context, role: Role, owner: ControlOwner) {
    this.#host = host;
    this.#context = context;
    this.#role = role;
    this.#owner = owner;
  }

  get open(): boolean {
    return this.#state === OPEN;
  }

  /** Neither side has said that it goes. */
  get takesMore(): boolean {
    return this.open && !this.goingAway && !this.peerGoingAway;
  }

  /** Sends the preface and SETTINGS. */
  start(): void {
    const { limits } = this.#context;
    const preface = this.#role === 'client' ? h2.PREFACE : '';
    const window = h2.windowText(0, CONNECTION_WINDOW - DEFAULT_WINDOW);
    this.#host.outbox.add(preface + settingsText(this.#role, limits.maxHeadBytes) + window);
    this.#setDeadline(limits.handshakeTimeoutMs);
  }

  // --- SETTINGS and PING

  /** Takes the peer's settings and acknowledges them; false when they end the connection. */
  onSettings(buffer: Buffer, start: number, end: number): boolean {
    this.greeted = true;
    const code = this.peer.read(buffer, start, end, this.#role);
    if (code !== 0) {
      this.fail(code, 'a value in SETTINGS is not valid');
      return false;
    }
    this.#host.outbox.add(h2.frameHead(0, h2.SETTINGS, h2.ACK, 0));
    this.#host.outbox.maxFrame = this.peer.maxFrame;
    return this.#owe();
  }

  onSettingsAck(): void {
    if (!this.goingAway) this.#clearDeadline();
    this.charge(CHEAP);
  }

  /** Makes the peer say something. */
  ping(): void {
    if (this.open) this.#host.outbox.add(h2.pingText(HEARTBEAT_PING, false));
  }

  onPing(isAck: boolean, payload: string): void {
    if (!isAck) {
      this.#host.outbox.add(h2.pingText(payload, true));
      this.#owe();
    } else if (this.goingAway && this.finalId === h2.MAX_ID && payload === GO_AWAY_PING) this.#tellFinal();
    else this.charge(CHEAP);
  }

  // --- bounds

  /** False when the peer asks for too much; the connection has ended then. */
  charge(cost: number): boolean {
    const sent = this.#host.outbox.dataFrames;
    if (sent !== this.#countedData) this.#guard.refund((sent - this.#countedData) * ANSWERED);
    this.#countedData = sent;
    if (this.#guard.charge(cost, this.#context.deadlines.now())) return true;
    this.fail(h2.ENHANCE_YOUR_CALM, 'too many frames that serve nothing');
    return false;
  }

  refund(credit: number): void {
    this.#guard.refund(credit);
  }

  /** The peer was answered without a request. */
  #owe(): boolean {
    if (this.#host.wire.blocked && ++this.#owed > MAX_OWED) {
      this.fail(h2.ENHANCE_YOUR_CALM, 'the peer does not read what it asks for');
      this.#host.wire.destroy();
      return false;
    }
    return this.charge(ANSWERED);
  }

  onDrain(): void {
    this.#owed = 0;
  }

  // --- the end

  /** No stream is begun any more, those that are open go on. */
  goAway(): void {
    if (this.goingAway || !this.open) return;
    this.goingAway = true;
    if (this.#role === 'client') {
      this.#tellFinal();
      return;
    }
    // What the peer sends before it has read this still counts; the answer to the PING comes behind it (RFC 9113, 6.8).
    this.#host.outbox.add(h2.goAwayText(h2.MAX_ID, h2.NO_ERROR) + h2.pingText(GO_AWAY_PING, false));
    this.#setDeadline(this.#context.limits.lingerMs);
  }

  #tellFinal(): void {
    this.finalId = this.#role === 'client' ? 0 : this.#host.lastId;
    this.#host.outbox.add(h2.goAwayText(this.finalId, h2.NO_ERROR));
    this.#clearDeadline();
    this.endWhenDone();
  }

  /** Client: a request was given up unanswered. A peer that has said nothing at all since it was begun gets no more of them. */
  onGivenUp(begunAtMs: number): void {
    const isSilent = this.heardAtMs <= begunAtMs && this.#context.deadlines.now() - begunAtMs >= SILENT_MS;
    if (isSilent) this.retire();
  }

  /** Client: it gets no more requests; its owner did not ask for that. */
  retire(): void {
    if (!this.takesMore) return;
    this.#owner.onGoingAway();
    this.goAway();
  }

  onPeerGoAway(): void {
    if (this.peerGoingAway) return;
    this.peerGoingAway = true;
    if (this.#role === 'client') this.#owner.onGoingAway();
  }

  endWhenDone(): void {
    const told = this.goingAway && this.finalId !== h2.MAX_ID;
    if (this.open && this.#host.activeStreams === 0 && (told || this.peerGoingAway)) this.finish();
  }

  /** The peer broke the protocol. */
  fail(code: number, reason: string): void {
    if (!this.open) return;
    this.error = new Error(reason);
    const lastId = this.#role === 'server' ? Math.min(this.#host.lastId, this.finalId) : 0;
    this.#host.outbox.add(h2.goAwayText(lastId, code));
    this.finish();
    this.#host.resetAll(code);
  }

  /** Sends what waits, then closes. */
  finish(): void {
    if (!this.open) return;
    const { limits, deadlines } = this.#context;
    const { wire, outbox } = this.#host;
    this.#state = CLOSING;
    this.#host.stopReading();
    outbox.flush();
    if (this.#role === 'client' && !this.goingAway && !this.peerGoingAway) this.#owner.onGoingAway();
    this.#setDeadline(limits.stallTimeoutMs);
    wire.end(() => {
      if (!wire.closed) deadlines.set(this.#deadline, deadlines.now() + limits.lingerMs);
    });
  }

  onClosed(): void {
    this.#state = CLOSED;
    this.#context.deadlines.remove(this.#deadline);
  }

  #setDeadline(ms: number): void {
    const { deadlines } = this.#context;
    if (this.#state !== CLOSED) deadlines.set(this.#deadline, deadlines.now() + ms);
  }

  #clearDeadline(): void {
    this.#context.deadlines.clear(this.#deadline);
  }

  #onDue(): void {
    if (!this.open) this.#host.wire.destroy();
    else if (this.goingAway) this.#tellFinal();
    else this.fail(h2.SETTINGS_TIMEOUT, 'SETTINGS did not come, or were not acknowledged, in time');
  }
}
