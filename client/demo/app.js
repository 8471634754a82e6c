// The demo page: a chat room and a live round, each an area with a connection of its own. Plain modules, no build step.

import { Chat } from './chat.js';
import { Live } from './live.js';

new Chat(document.getElementById('chat'));
new Live(document.getElementById('live'));
