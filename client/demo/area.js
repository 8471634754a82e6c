// What both areas of the page do alike: one Link, one room at a time, its members, and what is shown of them.
//
// chat.js and live.js extend Area and fill in the hooks: joining() -> fields of the Join, entered(joined), happened(event)
// for what the kind says, changed() after members or host changed, left(why).

import { Link } from './link.js';
import { me } from './me.js';

export class Area {
  constructor(root, kind) {
    this.root = root;
    this.kind = kind;
    this.room = null; // id while we are in it, or want to be
    this.members = new Map(); // player id -> Member, longest-seated first
    this.host = '';
    this.link = null;
    this.part('leave').addEventListener('click', () => this.attempt(() => this.leave()));
  }

  part(name) {
    return this.root.querySelector(`[data-${name}]`);
  }

  notice(text) {
    this.part('notice').textContent = text;
  }

  // Run an action of the person; what goes wrong is told to them.
  async attempt(action) {
    this.notice('');
    try {
      await action();
    } catch (error) {
      this.notice(error.message);
    }
  }

  showLink(text, state) {
    this.part('link').textContent = text;
    this.part('link').dataset.state = state;
  }

  // A connection that is open and welcomed.
  async connect() {
    if (this.link) return this.link;
    const link = new Link({
      hello: () => ({ player: me.player, name: me.name() }),
      onPush: (name, body) => this.pushed(name, body),
      onState: (state, why) => {
        if (this.link === link) this.linkChanged(state, why);
      },
    });
    this.link = link;
    this.showLink('connecting', 'lost');
    await link.open();
    return link;
  }

  linkChanged(state, why) {
    if (state === 'up' || state === 'back') {
      this.showLink('connected', 'up');
      if (state === 'back' && this.room) this.attempt(() => this.join(this.room, false)); // after a break: take the seat again
    } else if (state === 'lost') {
      this.showLink('reconnecting', 'lost');
    } else {
      this.showLink('', '');
      this.link = null;
      this.out(why);
    }
  }

  // Enter a room by its id; `create` makes it when it does not exist.
  async join(room, create) {
    const link = await this.connect();
    let joined;
    try {
      joined = await link.ask({ join: { room, create, ...this.joining() } });
    } catch (error) {
      if (this.room && error.code) this.out(error.message);
      throw error;
    }
    this.room = room;
    this.take(joined);
  }

  // The room as an answer to a join shows it, or as it is shown unasked after a fault of the server (RESYNC).
  take(joined) {
    const snapshot = joined.snapshot ?? {};
    this.members = new Map((snapshot.members ?? []).map((member) => [member.player, member]));
    this.host = snapshot.host ?? '';
    this.part('room').hidden = false;
    this.part('room-name').textContent = this.room;
    this.entered(joined, snapshot);
    this.changed();
  }

  async leave() {
    if (this.room && this.link) await this.link.ask({ leave: { room: this.room } });
    this.hangUp();
    this.out('');
  }

  hangUp() {
    this.link?.drop();
    this.link = null;
    this.showLink('', '');
  }

  // We are in no room any more.
  out(why) {
    this.room = null;
    this.members.clear();
    this.part('room').hidden = true;
    this.notice(why ?? '');
    this.left();
  }

  command(payload) {
    return this.link ? this.link.ask({ command: { room: this.room, payload } }) : Promise.reject(new Error('not connected'));
  }

  pushed(name, body) {
    if (!this.room || body.room !== this.room) return;
    if (name === 'detached') {
      this.hangUp();
      this.out(DETACHED[body.reason] ?? `You are out of the room (${body.reason}).`);
    } else if (name === 'joined') {
      this.take(body);
    } else if (name === 'event') {
      this.event(body);
    }
  }

  event(event) {
    const { joined, memberLeft, away, back, host, closed, payload } = event;
    if (joined) {
      this.members.set(joined.player, joined);
      this.tell(`${joined.name || joined.player} came in`);
    } else if (memberLeft) {
      this.tell(`${this.name(memberLeft.player)} ${memberLeft.reason === 'TIMED_OUT' ? 'did not come back' : 'left'}`);
      this.members.delete(memberLeft.player);
    } else if (away !== undefined || back !== undefined) {
      const member = this.members.get(away ?? back);
      if (member) member.away = away !== undefined;
      this.tell(`${this.name(away ?? back)} ${away !== undefined ? 'lost the connection' : 'is back'}`);
    } else if (host !== undefined) {
      this.host = host;
      this.tell(`${this.name(host)} is the host now`);
    } else if (closed) {
      this.hangUp();
      return this.out('The room was closed.');
    } else if (payload) {
      this.happened(payload);
    }
    this.changed();
  }

  name(player) {
    return this.members.get(player)?.name || player;
  }

  tell(text) {
    this.notice(text);
  }
}

const DETACHED = {
  REPLACED: 'You came in by another connection; this one has let go.',
  PLAYER_KICKED: 'You were removed from the room.',
  ROOM_CLOSED: 'The room was closed.',
  ROOM_FAILED: 'The room failed and was closed.',
  ROOM_LOST: 'The room is gone.',
};

// element('li', 'away', 'Ann'): text is always text, never markup.
export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// A hue per player, the same in every window.
export function tint(target, player) {
  let hash = 0;
  for (const char of player) hash = (hash * 31 + char.codePointAt(0)) % 3600;
  target.style.setProperty('--hue', hash % 360);
}
