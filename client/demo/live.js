// The live area: a round of kind `live` (proto/kinds/live.proto). Waiting, playing, results, and waiting again.

import { Area, element, tint } from './area.js';
import { me } from './me.js';

const JUDGES = ['perfect', 'great', 'good', 'bad', 'miss'];

export class Live extends Area {
  constructor(root) {
    super(root, 'live');
    this.round = resting();
    this.options = {};
    const enter = this.part('enter');
    enter.addEventListener('submit', (submit) => {
      submit.preventDefault();
      this.attempt(() => this.join(`live/${enter.elements.room.value}`, true));
    });
    this.part('submit').addEventListener('submit', (submit) => {
      submit.preventDefault();
      this.attempt(() => this.submit(new FormData(this.part('submit'))));
    });
    this.click('refresh', () => this.look());
    this.click('start', () => this.command({ start: {} }));
    this.click('choose', () => this.command({ choose: { liveId: Number(this.part('song').value) } }));
    this.click('dissolve', () => this.command({ dissolve: {} }));
    this.click('give-up', () => this.giveUp());
    this.click('come-back', () => this.join(this.room, false));
    setInterval(() => this.tick(), 100);
  }

  click(name, action) {
    this.part(name).addEventListener('click', () => this.attempt(action));
  }

  joining() {
    const { song, difficulty, wait } = this.part('enter').elements;
    return {
      options: { liveId: Number(song.value), deadlineMs: Number(wait.value) * 1000 },
      profile: { leaderCardId: 1, difficulty: difficulty.value },
    };
  }

  // List the rooms that can be joined now.
  async look() {
    const link = await this.connect();
    const { rooms = [] } = await link.ask({ list: { kind: 'live', joinable: true } });
    this.part('rooms').replaceChildren(
      ...rooms.map(({ room, members = 0, maxMembers = 0, properties = [] }) => {
        const item = element('li', '', `${room} · ${members}/${maxMembers} `);
        const song = properties.find(({ name }) => name === 'live_id');
        if (song) item.append(`· song ${song.value} `);
        const button = element('button', '', 'Join');
        button.type = 'button';
        button.setAttribute('aria-label', `Join ${room}`);
        button.addEventListener('click', () => this.attempt(() => this.join(room, false)));
        item.append(button);
        return item;
      }),
    );
    if (rooms.length === 0) this.part('rooms').append(element('li', 'told', 'None just now. Create one.'));
  }

  entered(joined, { options = {}, state = {} }) {
    this.part('lobby').hidden = true;
    this.options = options;
    this.round = {
      playing: state.phase === 'PLAYING',
      number: state.round ?? 0,
      song: state.liveId ?? options.liveId ?? 0,
      players: state.players ?? [],
      submitted: new Set(state.submitted ?? []),
      due: 0,
      results: state.results ?? null,
      gone: false,
    };
    // The deadline is told by Redis's clock; a newcomer has only his own to compare it with.
    if (Number(state.deadlineMs ?? 0)) this.expect(Number(state.deadlineMs) - Date.now());
    if (this.round.playing) this.roll();
    this.part('song').value = this.round.song;
  }

  left() {
    this.round = resting();
    this.part('lobby').hidden = false;
  }

  happened({ started, submitted, results, chosen }) {
    const round = this.round;
    if (started) {
      Object.assign(round, { playing: true, number: started.round ?? 0, song: started.liveId ?? round.song, due: 0 });
      Object.assign(round, { players: started.players ?? [], submitted: new Set(), results: null });
      this.notice('');
      this.roll();
    } else if (submitted) {
      round.submitted.add(submitted.player);
      this.expect(submitted.remainingMs ?? 0);
    } else if (results) {
      Object.assign(round, { playing: false, players: [], submitted: new Set(), due: 0, results });
    } else if (chosen) {
      round.song = chosen.liveId ?? 0;
      this.part('song').value = round.song;
      this.notice(`The next song is ${round.song}`);
    }
  }

  // The results come when this many milliseconds have passed, or earlier.
  expect(remaining) {
    this.round.due = performance.now() + Math.max(0, remaining);
  }

  // Nobody really plays here: fill in a plausible result.
  roll() {
    const form = this.part('submit').elements;
    let notes = 300;
    for (const judge of JUDGES) {
      const share = judge === 'miss' ? notes : Math.floor(notes * (0.6 + Math.random() * 0.4));
      form[judge].value = share;
      notes -= share;
    }
    form.score.value = JUDGES.reduce((sum, judge, i) => sum + Number(form[judge].value) * [1000, 700, 400, 100, 0][i], 0);
  }

  async submit(form) {
    const judge = Object.fromEntries(JUDGES.map((name) => [name, Number(form.get(name))]));
    await this.command({ submit: { round: this.round.number, score: Number(form.get('score')), judge } });
    this.round.submitted.add(me.player);
    this.changed();
  }

  giveUp() {
    this.hangUp();
    this.round.gone = true;
    this.changed();
  }

  changed() {
    const { playing, players, submitted, gone, number, song, results } = this.round;
    const host = this.host === me.player;
    const mine = playing && !gone && players.includes(me.player) && !submitted.has(me.player);
    this.part('members').replaceChildren(...[...this.members.values()].map((member) => this.member(member)));
    this.part('host').hidden = playing || gone || !host;
    this.part('submit').hidden = !mine;
    this.part('come-back').hidden = !gone;
    this.part('leave').hidden = gone;
    this.part('phase').textContent = gone
      ? 'You hung up without telling. The others get their results when the deadline passes, with you at 0.'
      : playing
        ? `Round ${number}, song ${song}: ${mine ? 'play, then submit' : `${submitted.size} of ${players.length} results are in`}`
        : `Song ${song}. ${host ? 'You are the host: start when you like.' : `Waiting for ${this.name(this.host)} to start.`}`;
    this.part('results').hidden = !results;
    if (results) this.showResults(results);
    this.tick();
  }

  member({ player, name, away, profile = {} }) {
    const item = element('li', away ? 'away' : '', name || player);
    tint(item, player);
    if (player === me.player) item.append(element('span', 'tag', 'you'));
    if (player === this.host) item.append(element('span', 'tag host', 'host'));
    if (profile.difficulty === 'HARD') item.append(element('span', 'tag', 'hard'));
    if (away) item.append(element('span', 'tag', 'away'));
    if (this.round.submitted.has(player)) item.append(element('span', 'tag done', 'result in'));
    return item;
  }

  showResults({ round, liveId, scores = [] }) {
    this.part('caption').textContent = `Results of round ${round}, song ${liveId}`;
    const ranked = [...scores].sort((a, b) => (a.forfeited ?? false) - (b.forfeited ?? false) || (b.score ?? 0) - (a.score ?? 0));
    this.part('scores').replaceChildren(
      ...ranked.map(({ player, name, score = 0, judge = {}, forfeited }, i) => {
        const row = element('tr', forfeited ? 'forfeited' : player === me.player ? 'mine' : '');
        const who = element('th', '', name || player);
        who.scope = 'row';
        if (forfeited) who.append(element('span', 'tag', 'forfeited'));
        row.append(element('td', '', forfeited ? '–' : i + 1), who, element('td', 'score', score.toLocaleString()));
        row.append(...JUDGES.map((key) => element('td', '', forfeited ? '–' : judge[key] ?? 0)));
        return row;
      }),
    );
  }

  // The countdown from the first result to the deadline.
  tick() {
    const { playing, due, gone } = this.round;
    const shown = playing && due > 0 && !gone;
    this.part('countdown').hidden = !shown;
    if (!shown) return;
    const left = Math.max(0, due - performance.now());
    this.part('seconds').textContent = `${(left / 1000).toFixed(1)} s`;
    this.part('bar').value = Math.min(1, left / (this.options.deadlineMs || 10000));
  }
}

function resting() {
  return { playing: false, number: 0, song: 0, players: [], submitted: new Set(), due: 0, results: null, gone: false };
}
