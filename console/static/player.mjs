// Plays results. The players are loaded when somebody plays a stream, and not before.

const base = new URL('.', import.meta.url);
const scripts = new Map();

/** Loads a script of the server once. */
function load(name) {
  if (!scripts.has(name)) {
    scripts.set(name, new Promise((resolve, reject) => {
      const s = document.createElement('script');
      s.src = new URL('vendor/' + name, base);
      s.onload = resolve;
      s.onerror = () => reject(new Error('the player could not be loaded'));
      document.head.append(s);
    }));
  }
  return scripts.get(name);
}

const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, '0')}`;
const rate = (bits) => (bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bits / 1000)} kbit/s`);
const describe = (t) => [t.height ? `${t.height}p` : 'sound only', t.bandwidth || t.bitrate ? rate(t.bandwidth || t.bitrate) : ''].filter(Boolean).join(', ');

/** A menu of choices; entries are [value, label]. Nothing is shown for less than two. */
function menu(label, entries, chosen, choose) {
  if (entries.length < 2) return null;
  const l = document.createElement('label');
  const s = document.createElement('select');
  for (const [value, text] of entries) s.add(new Option(text, value, false, String(value) === String(chosen)));
  s.addEventListener('change', () => choose(s.value));
  l.append(label, s);
  return l;
}

/** What the page needs of a player: menus, and which variant plays. */
async function hls(video, address) {
  await load('hls.min.js');
  const player = new Hls({ enableWorker: false });
  const ready = new Promise((resolve, reject) => {
    player.once(Hls.Events.MANIFEST_PARSED, resolve);
    player.on(Hls.Events.ERROR, (_, e) => { if (e.fatal) reject(new Error(`${e.type}: ${e.details}`)); });
  });
  player.loadSource(address);
  player.attachMedia(video);
  await ready;
  return {
    menus: () => [
      menu('Quality', [[-1, 'automatic'], ...player.levels.map((l, i) => [i, describe(l)])], -1, (v) => { player.currentLevel = Number(v); }),
      menu('Audio', player.audioTracks.map((t) => [t.id, t.name || t.lang || `track ${t.id + 1}`]), player.audioTrack, (v) => { player.audioTrack = Number(v); }),
      menu('Subtitles', [[-1, 'none'], ...player.subtitleTracks.map((t) => [t.id, t.name || t.lang])], player.subtitleTrack, (v) => { player.subtitleTrack = Number(v); player.subtitleDisplay = Number(v) >= 0; }),
    ],
    plays: () => { const l = player.levels[player.currentLevel]; return l ? describe(l) : ''; },
  };
}

async function dash(video, address) {
  await load('shaka-player.dash-es2021.js');
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  await player.attach(video);
  await player.load(address);
  const tracks = () => player.getVariantTracks();
  return {
    menus: () => [
      menu('Quality', [['', 'automatic'], ...tracks().map((t) => [t.id, describe(t)])], '', (v) => {
        player.configure({ abr: { enabled: v === '' } });
        if (v !== '') player.selectVariantTrack(tracks().find((t) => String(t.id) === v), true);
      }),
      menu('Subtitles', [['', 'none'], ...player.getTextTracks().map((t) => [t.id, t.label || t.language])], '', (v) => {
        player.selectTextTrack(v === '' ? null : player.getTextTracks().find((t) => String(t.id) === v));
      }),
    ],
    plays: () => { const t = tracks().find((t) => t.active); return t ? describe(t) : ''; },
  };
}

async function file(video, address) {
  video.src = address;
  return { menus: () => [], plays: () => (video.videoHeight ? `${video.videoWidth}×${video.videoHeight}` : '') };
}

/** The cues of a WebVTT track of thumbnails: when, which picture, and which part of it. */
async function thumbnails(address) {
  if (!address) return [];
  const response = await fetch(address);
  if (!response.ok) return [];
  const seconds = (t) => t.split(':').reduce((sum, p) => 60 * sum + Number(p), 0);
  const cues = [];
  for (const block of (await response.text()).split(/\r?\n\r?\n/)) {
    const m = block.match(/([\d:.]+) --> ([\d:.]+)[^\n]*\n(\S+)/);
    if (!m) continue;
    const picture = new URL(m[3], new URL(address, location.href));
    const part = picture.hash.match(/xywh=(\d+),(\d+),(\d+),(\d+)/);
    picture.hash = '';
    cues.push({ from: seconds(m[1]), to: seconds(m[2]), picture: picture.href, part: part?.slice(1).map(Number) });
  }
  return cues;
}

/** The bar below a video: position, what is buffered, and thumbnails. */
function seekBar(video, cues) {
  const seek = document.createElement('div');
  seek.className = 'seek';
  seek.innerHTML = '<svg class="buffered" viewBox="0 0 1000 4" preserveAspectRatio="none" aria-hidden="true"></svg><input type="range" min="0" max="1000" step="1" value="0" aria-label="Position"><div class="preview" aria-hidden="true"><div></div><span></span></div>';
  const [buffered, range, preview] = seek.children;
  range.addEventListener('input', () => { video.currentTime = (range.value / 1000) * video.duration; });
  const position = () => {
    if (!video.duration) return;
    range.value = Math.round((1000 * video.currentTime) / video.duration);
    range.setAttribute('aria-valuetext', `${clock(video.currentTime)} of ${clock(video.duration)}`);
  };
  const ranges = () => {
    buffered.replaceChildren();
    for (let i = 0; i < video.buffered.length && video.duration; i++) {
      const r = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
      const x = (1000 * video.buffered.start(i)) / video.duration;
      r.setAttribute('x', x);
      r.setAttribute('height', 4);
      r.setAttribute('width', (1000 * video.buffered.end(i)) / video.duration - x);
      buffered.append(r);
    }
  };
  video.addEventListener('timeupdate', () => { position(); ranges(); });
  video.addEventListener('progress', ranges);
  range.addEventListener('pointermove', (e) => {
    const box = range.getBoundingClientRect();
    const at = Math.min(Math.max((e.clientX - box.left) / box.width, 0), 1);
    const time = at * (video.duration || 0);
    const cue = cues.find((c) => time >= c.from && time < c.to);
    const [picture, label] = preview.children;
    label.textContent = clock(time);
    picture.hidden = !cue;
    if (cue) {
      const [x, y, w, h] = cue.part ?? [0, 0, 160, 90];
      picture.style.width = `${w}px`;
      picture.style.height = `${h}px`;
      picture.style.backgroundImage = `url("${cue.picture}")`;
      picture.style.backgroundPosition = `-${x}px -${y}px`;
      picture.style.backgroundSize = cue.part ? 'auto' : 'contain';
    }
    preview.classList.add('on');
    preview.style.left = `${Math.min(Math.max(at * box.width - preview.offsetWidth / 2, 0), box.width - preview.offsetWidth)}px`;
  });
  range.addEventListener('pointerleave', () => preview.classList.remove('on'));
  return seek;
}

/** Replaces the button of a player by the player. */
async function play(root, how) {
  const d = root.dataset;
  const audio = 'audio' in d;
  const video = document.createElement(audio ? 'audio' : 'video');
  video.controls = true;
  video.playsInline = true;
  video.setAttribute('aria-label', 'Result');
  const plays = document.createElement('span');
  plays.className = 'plays';
  root.replaceChildren(video);
  try {
    const useDash = d.dash && (how === 'dash' || !d.hls);
    const player = await (d.file ? file(video, d.file) : useDash ? dash(video, d.dash) : hls(video, d.hls));
    if (!audio) root.append(seekBar(video, await thumbnails(d.thumbnails).catch(() => [])));
    const menus = document.createElement('div');
    menus.className = 'menus';
    menus.append(...player.menus().filter(Boolean), plays);
    root.append(menus);
    video.addEventListener('timeupdate', () => {
      const end = video.buffered.length ? video.buffered.end(video.buffered.length - 1) : 0;
      plays.textContent = ['plays ' + player.plays(), `${Math.max(0, end - video.currentTime).toFixed(1)} s buffered`].join(' · ');
    });
    await video.play().catch(() => {}); // a browser may want another click
  } catch (e) {
    const p = document.createElement('p');
    p.className = 'problem';
    p.setAttribute('role', 'alert');
    p.textContent = `It cannot be played: ${e.message || e}. A storage on another host must allow this page by CORS.`;
    root.replaceChildren(p);
  }
}

document.addEventListener('click', (e) => {
  const button = e.target.closest('[data-play]');
  if (button) play(button.closest('.player'), button.dataset.play);
});
