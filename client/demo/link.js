// One connection to a gateway in subprotocol heya.v1.json: asks, answers, pushed messages, and coming back after a break.
//
// Used by chat.js and live.js, one Link each. Messages are ClientMessage and ServerMessage of proto/client.proto in
// proto3's JSON mapping: camelCase names, 64-bit numbers as strings, fields at their default left out.

const ANSWER_MS = 10000;
const RETRY_MS = [200, 500, 1000, 2000, 5000];

// What a gateway or a room answers instead of what was asked for; `code` is an Error.Code.
export class Refusal extends Error {
  constructor(error) {
    super(REFUSALS[error.code] ?? error.message ?? error.code ?? 'refused');
    this.code = error.code;
  }
}

const REFUSALS = {
  ROOM_FULL: 'That room is full.',
  ROOM_CLOSED: 'That room has been closed.',
  ROOM_LOCKED: 'A round is being played there; try again when it is over.',
  ROOM_NOT_FOUND: 'There is no such room.',
  ROOM_LOST: 'The room is gone.',
  ROOM_FAILED: 'The room failed and was closed.',
  NOT_HOST: 'Only the host may do that.',
  TOO_LATE: 'Too late: the deadline has passed.',
  ALREADY_SUBMITTED: 'Your result is in already.',
  REPLACED: 'You came in by another connection.',
  PLAYER_KICKED: 'You were removed from the room.',
  RATE_LIMITED: 'Slow down a little.',
  BUSY: 'The server is busy; try again.',
  SHUTTING_DOWN: 'This gateway is going down.',
};

export class Link {
  // hello: () => the Hello to send. onPush(name, body): Event, Detached. onState(state, reason): 'up' after the first
  // Welcome, 'lost' when a break is being mended, 'back' when it is, 'ended' when it is over for good.
  constructor({ hello, onPush, onState }) {
    Object.assign(this, { hello, onPush, onState });
    this.socket = null;
    this.request = 0;
    this.waiting = new Map(); // request -> { resolve, reject, timer }
    this.attempt = 0;
    this.wanted = false;
    this.instance = crypto.getRandomValues(new Uint32Array(3)).join('-');
    this.connection = 0;
  }

  // Resolves when the gateway has welcomed us for the first time.
  open() {
    this.wanted = true;
    return new Promise((resolve, reject) => this.connect(resolve, reject));
  }

  // resolve, reject: of open(); a break after the first Welcome is mended here without them.
  connect(resolve, reject) {
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1`, 'heya.v1.json');
    this.socket = socket;
    let last = ''; // why the gateway says it closes
    socket.onopen = () => {
      this.ask({ hello: { ...this.hello(), instance: this.instance, connection: ++this.connection } }).then(
        () => {
          this.attempt = 0;
          this.onState(resolve ? 'up' : 'back');
          resolve?.();
          resolve = reject = null;
        },
        (error) => {
          this.wanted = this.wanted && !(error instanceof Refusal);
          last = error.message;
          socket.close();
        },
      );
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.goodbye) {
        last = message.goodbye.reason ?? '';
        this.wanted = this.wanted && message.goodbye.reconnect === true;
      }
      this.receive(message);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.socket !== socket) return; // dropped by us
      this.socket = null;
      this.abandon();
      const why = REFUSALS[last] ?? (last || reason || (code === 1006 ? 'no connection' : `closed (${code})`));
      reject?.(new Error(why));
      if (!this.wanted || reject) return this.onState('ended', why);
      this.onState('lost', why);
      this.retry();
    };
  }

  retry() {
    const pause = RETRY_MS[Math.min(this.attempt++, RETRY_MS.length - 1)];
    this.timer = setTimeout(() => this.connect(), pause * (0.5 + Math.random()));
  }

  receive(message) {
    const { request = 0, ...rest } = message;
    const [name, body] = Object.entries(rest)[0] ?? [];
    const asked = this.waiting.get(request);
    if (asked) {
      this.waiting.delete(request);
      clearTimeout(asked.timer);
      if (name === 'error') asked.reject(new Refusal(body));
      else asked.resolve(body);
    } else if (name) {
      this.onPush(name, body);
    }
  }

  // Send a ClientMessage with this body, such as { join: {...} }; resolves with the body of its answer.
  ask(body) {
    if (this.socket?.readyState !== WebSocket.OPEN) return Promise.reject(new Error('not connected'));
    const request = ++this.request;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(request);
        reject(new Error('no answer'));
      }, ANSWER_MS);
      this.waiting.set(request, { resolve, reject, timer });
      this.socket.send(JSON.stringify({ request, ...body }));
    });
  }

  abandon() {
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(new Error('the connection was lost'));
    }
    this.waiting.clear();
  }

  // Hang up, in the middle of whatever is going on, without a word to the room.
  drop() {
    this.wanted = false;
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    this.abandon();
    socket?.close();
  }
}
