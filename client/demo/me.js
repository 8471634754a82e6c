// Who this window is: a player id of its own (so that two windows are two people) and a name kept between visits.

const field = document.getElementById('name');

function keep(storage, key, make) {
  try {
    const kept = storage.getItem(key) ?? make();
    storage.setItem(key, kept);
    return kept;
  } catch {
    return make(); // storage is switched off
  }
}

const random = () => Array.from(crypto.getRandomValues(new Uint8Array(5)), (byte) => byte.toString(16).padStart(2, '0')).join('');
const names = ['Aoi', 'Hina', 'Kaede', 'Mio', 'Nagi', 'Ren', 'Sora', 'Yuzu'];

export const me = {
  player: keep(sessionStorage, 'heya.player', () => `web-${random()}`),
  name: () => field.value.trim() || 'somebody',
};

field.value = keep(sessionStorage, 'heya.name', () => names[Math.floor(Math.random() * names.length)]);
field.addEventListener('change', () => keepName(field.value));

function keepName(name) {
  try {
    sessionStorage.setItem('heya.name', name);
  } catch {
    // storage is switched off: the name lasts as long as the page
  }
}
