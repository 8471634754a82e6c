// The chat area: kind `chat` (proto/kinds/chat.proto).

import { Area, element, tint } from './area.js';
import { me } from './me.js';

const MOST_LINES = 200;

export class Chat extends Area {
  constructor(root) {
    super(root, 'chat');
    const enter = this.part('enter');
    enter.addEventListener('submit', (submit) => {
      submit.preventDefault();
      this.attempt(() => this.join(`chat/${enter.elements.room.value}`, true));
    });
    const say = this.part('say');
    say.addEventListener('submit', (submit) => {
      submit.preventDefault();
      this.attempt(async () => {
        const { value } = say.elements.text;
        await this.command({ say: { text: value } });
        if (say.elements.text.value === value) say.reset();
      });
    });
  }

  joining() {
    return { profile: {} };
  }

  entered(joined, snapshot) {
    this.part('enter').hidden = true;
    this.part('lines').replaceChildren();
    for (const line of snapshot.state?.lines ?? []) this.line(line);
    this.tell(joined.created ? 'You opened this room' : joined.returned ? 'You are back' : 'You came in');
    this.part('say').elements.text.focus({ preventScroll: true });
  }

  left() {
    this.part('enter').hidden = false;
  }

  happened(payload) {
    if (payload.line) this.line(payload.line);
  }

  line({ player = '', name, text = '', timeMs = 0 }) {
    const item = element('li', player === me.player ? 'mine' : '');
    const who = element('b', '', name || player);
    tint(item, player);
    const when = element('time', '', new Date(Number(timeMs)).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
    item.append(who, ' ', when, element('p', '', text));
    this.append(item);
  }

  tell(text) {
    if (this.room) this.append(element('li', 'told', text));
  }

  append(item) {
    const lines = this.part('lines');
    const following = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    lines.append(item);
    while (lines.children.length > MOST_LINES) lines.firstChild.remove();
    if (following) lines.scrollTop = lines.scrollHeight;
  }

  changed() {
    this.part('members').replaceChildren(
      ...[...this.members.values()].map((member) => {
        const chip = element('li', member.away ? 'away' : '', member.name || member.player);
        if (member.away) chip.append(element('span', 'tag', 'away'));
        tint(chip, member.player);
        return chip;
      }),
    );
  }
}
