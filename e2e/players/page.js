// Plays one stream with one player in the page and tells what happened:
// play.mjs calls run().
'use strict';

const video = document.getElementById('video');
const found = { errors: [], switched: false, buffers: [] };

// What each SourceBuffer holds shows where a player has put audio and video.
const buffers = [];
const add = MediaSource.prototype.addSourceBuffer;
MediaSource.prototype.addSourceBuffer = function (mime) {
  const b = add.call(this, mime);
  buffers.push({ mime, b });
  return b;
};

const script = (src) => new Promise((resolve, reject) => {
  const s = document.createElement('script');
  s.src = src;
  s.onload = resolve;
  s.onerror = () => reject(new Error('cannot load ' + src));
  document.head.append(s);
});

const ranges = (r) => Array.from({ length: r.length }, (_, i) => [r.start(i), r.end(i)]);

// until waits for a condition, looked at whenever the video says something. The limit, in
// milliseconds, is one against hanging: on a busy machine a player may stand for long.
const until = (what, condition, limit = 300000) => new Promise((resolve, reject) => {
  const look = () => {
    if (found.errors.length) done(new Error(found.errors.join('; ')));
    else if (condition()) done();
  };
  const done = (err) => {
    clearInterval(tick);
    clearTimeout(deadline);
    err ? reject(err) : resolve();
  };
  const tick = setInterval(look, 20);
  const deadline = setTimeout(() => done(new Error(`not ${what}: at ${video.currentTime} of ${video.duration}, ` +
    `ready ${video.readyState}, buffered ${JSON.stringify(ranges(video.buffered))}`)), limit);
});

// base64url writes hexadecimal digits as EME wants keys and their ids.
const base64url = (hex) => btoa(String.fromCharCode(...hex.match(/../g).map((b) => parseInt(b, 16))))
  .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

// The players, each with the same few verbs.
const players = {
  async hls(url, keys, license, codec) {
    await script('/node_modules/hls.js/dist/hls.min.js');
    const start0 = codec ? { videoPreference: { videoCodec: codec } } : { startLevel: 0 };
    const hls = new Hls({ ...start0, maxBufferLength: 60, backBufferLength: Infinity, capLevelToPlayerSize: false });
    // In TS hls.js begins with the first decode time, before the first picture. Firefox,
    // unlike Chromium, does not play over that, and hls.js jumps.
    const start = /from 0 to 0\.[01]/;
    hls.on(Hls.Events.ERROR, (_, e) => {
      if (e.fatal || e.details === 'bufferSeekOverHole' && !start.test(e.reason)) found.errors.push(`${e.details} ${e.reason || e.error || ''}`);
    });
    hls.loadSource(url);
    hls.attachMedia(video);
    await until('parsed', () => hls.levels.length > 0);
    const own = () => hls.levels.map((_, i) => i).filter((i) => !codec || (hls.levels[i].videoCodec || '').startsWith(codec));
    return {
      levels: () => own().length,
      level: () => own().indexOf(hls.currentLevel),
      toLevel: (n) => { hls.currentLevel = own()[n]; },
      audios: () => hls.audioTracks.length,
      toAudio: async (n) => { hls.audioTrack = n; await until('audio changed', () => hls.audioTrack === n); },
      texts: () => hls.subtitleTracks.length,
      toText: (n) => { hls.subtitleDisplay = true; hls.subtitleTrack = n; },
    };
  },
  async shaka(url, keys, license, codec) {
    await script('/node_modules/shaka-player/dist/shaka-player.compiled.js');
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    player.addEventListener('error', (e) => found.errors.push(`shaka ${e.detail.code} ${e.detail.data}`));
    await player.attach(video);
    // Without prefetching: in Firefox a switch aborts the prefetch of an init segment, and
    // shaka-player 5.2 then takes the aborted one for ever (SegmentPrefetch).
    player.configure({ abr: { enabled: false }, streaming: { bufferingGoal: 60, bufferBehind: 60, segmentPrefetchLimit: 0 } });
    if (codec) player.configure({ preferredVideoCodecs: [codec] });
    if (keys) player.configure({ drm: { clearKeys: keys } });
    if (license) {
      // Keys of HLS have addresses of their own below that of the license server.
      player.configure({ drm: { servers: { 'org.w3.clearkey': license } } });
      const [base, token] = license.split('?');
      player.getNetworkingEngine().registerRequestFilter((_, request) => {
        request.uris = request.uris.map((u) => (u.startsWith(base + '/') ? `${u}?${token}` : u));
      });
    }
    await player.load(url).catch((e) => { throw new Error(`shaka ${e.code} ${e.data}`); });
    const videoTracks = () => {
      const active = player.getVariantTracks().find((t) => t.active);
      return player.getVariantTracks().filter((t) => t.height && t.language === active.language).sort((a, b) => a.height - b.height);
    };
    return {
      levels: () => videoTracks().length,
      level: () => videoTracks().findIndex((t) => t.active),
      toLevel: (n) => player.selectVariantTrack(videoTracks()[n], true),
      audios: () => player.getAudioTracks().length,
      toAudio: async (n) => player.selectAudioTrack(player.getAudioTracks()[n]),
      texts: () => player.getTextTracks().length,
      toText: (n) => player.selectTextTrack(player.getTextTracks()[n]),
      async thumbnail(time) {
        const tracks = player.getImageTracks();
        const t = tracks.length === 1 && await player.getThumbnails(tracks[0].id, time);
        return t && { url: t.uris[0], x: t.positionX, y: t.positionY, width: t.width, height: t.height, start: t.startTime, duration: t.duration };
      },
    };
  },
  async dash(url, keys, license) {
    await script('/node_modules/dashjs/dist/modern/umd/dash.all.min.js');
    const player = dashjs.MediaPlayer().create();
    player.on(dashjs.MediaPlayer.events.ERROR, (e) => found.errors.push(`dash.js ${e.error && (e.error.message || e.error.code)}`));
    player.updateSettings({ streaming: {
      abr: { autoSwitchBitrate: { video: false } },
      buffer: { fastSwitchEnabled: true, bufferTimeDefault: 60, bufferTimeAtTopQuality: 60, bufferToKeep: 60 },
    } });
    player.initialize(video, url, false);
    if (license) player.setProtectionData({ 'org.w3.clearkey': { serverURL: license } });
    if (keys) {
      const clearkeys = Object.fromEntries(Object.entries(keys).map((pair) => pair.map(base64url)));
      player.setProtectionData({ 'org.w3.clearkey': { clearkeys } });
    }
    await until('initialised', () => player.getRepresentationsByType && player.isReady() && player.getRepresentationsByType('video').length > 0);
    return {
      levels: () => player.getRepresentationsByType('video').length,
      level: () => player.getCurrentRepresentationForType('video').index,
      toLevel: (n) => player.setRepresentationForTypeByIndex('video', n, true),
      audios: () => player.getTracksFor('audio').length,
      toAudio: async (n) => player.setCurrentTrack(player.getTracksFor('audio')[n]),
      texts: () => player.getTracksFor('text').length,
      toText: (n) => player.setTextTrack(n),
      thumbnail: (time) => new Promise((resolve) => { player.provideThumbnail(time, resolve); }),
    };
  },
};

async function play(rate = 8) {
  await video.play();
  video.playbackRate = rate;
}

// seek goes to a time as a user does who drags: paused until there is something
// to show. shaka-player looks for holes while it plays, and one that has not
// emptied its buffer yet takes what lies between the target and that for a hole
// to jump over (onPollGapJump_ in its gap_jumping_controller).
async function seek(what, target, near) {
  video.pause();
  video.currentTime = target;
  await until(what, () => !video.seeking && near());
}

// watch plays to the end, with a switch of level, a seek, and a switch of audio
// and of subtitles where there are some.
async function watch({ player, url, keys, license, codec }) {
  const p = await players[player](url, keys, license, codec);
  // A player may say that it is ready a moment before its buffer is told.
  await until('ready', () => video.readyState >= 2 && video.buffered.length > 0);
  found.duration = video.duration;
  found.start = ranges(video.buffered)[0][0];
  found.levels = p.levels();
  found.audios = p.audios();
  found.texts = p.texts();
  if (found.texts > 0) p.toText(0);
  // Not faster before the switch, or a busy machine is at the end before it shows.
  await play(found.levels > 1 ? 1 : 8);
  if (found.levels > 1) {
    await until('on its way', () => video.currentTime > 0.2);
    const other = (p.level() + 1) % found.levels;
    const height = video.videoHeight;
    p.toLevel(other);
    await until('switched', () => video.videoHeight !== height || p.level() === other && found.levels === 1);
    found.switched = true;
    video.playbackRate = 8;
    found.heights = [height, video.videoHeight];
  }
  const target = video.duration * 0.8;
  await seek('seeked', target, () => video.currentTime >= target - 0.01);
  found.seeked = video.currentTime - target;
  if (found.audios > 1) await p.toAudio(1);
  await play();
  await until('past the seek', () => video.currentTime > target + 1);
  if (found.texts > 0) {
    // At its end a player loads no more, so a busy machine that is there plays again.
    video.loop = true;
    if (video.ended) await play();
    // Looked for and read at once: cues come and go with the buffer.
    await until('with subtitles', () => {
      const cue = Array.from(video.textTracks).map((t) => t.cues && t.cues[0]).find(Boolean);
      if (cue) found.cue = { start: cue.startTime, text: cue.text };
      return Boolean(cue);
    });
    video.loop = false;
  }
  // Once more from the start, to the end.
  await seek('back at the start', 0, () => video.readyState >= 2);
  await play();
  // In Firefox dash.js does not always say that no more comes.
  await until('ended', () => video.ended || video.currentTime >= video.duration);
  found.end = video.currentTime;
  found.buffered = ranges(video.buffered);
  for (const { mime, b } of buffers) {
    try { found.buffers.push({ mime, ranges: ranges(b.buffered) }); } catch { /* was removed */ }
  }
  const q = video.getVideoPlaybackQuality();
  found.corrupted = q.corruptedVideoFrames;
  return found;
}

// thumbnails asks a player for the pictures of some times, and tells the brightness in the
// middle of each.
async function thumbnails({ player, url, times }) {
  const p = await players[player](url);
  await until('ready', () => video.readyState >= 2);
  found.thumbnails = [];
  for (const time of times) {
    const t = await p.thumbnail(time);
    if (!t) throw new Error(`there is no picture for ${time}`);
    const img = new Image();
    img.crossOrigin = 'anonymous';
    img.src = t.url;
    await img.decode();
    const canvas = new OffscreenCanvas(1, 1).getContext('2d');
    canvas.drawImage(img, t.x + t.width / 2, t.y + t.height / 2, 1, 1, 0, 0, 1, 1);
    found.thumbnails.push({ ...t, time, sheet: [img.naturalWidth, img.naturalHeight], level: canvas.getImageData(0, 0, 1, 1).data[0] });
  }
  return found;
}

// colour tells the mean colour in the middle of a picture, or of the first one that a
// player or the browser itself shows of a film.
async function colour({ player, url }) {
  let from = video;
  let [width, height] = [0, 0];
  if (player === 'image') {
    from = new Image();
    from.src = url;
    await from.decode();
    [width, height] = [from.naturalWidth, from.naturalHeight];
  } else {
    if (player === 'file') video.src = url;
    else await players[player](url);
    const shown = new Promise((resolve) => { video.requestVideoFrameCallback(resolve); });
    await video.play();
    await shown;
    [width, height] = [video.videoWidth, video.videoHeight];
  }
  const canvas = new OffscreenCanvas(16, 16).getContext('2d');
  canvas.drawImage(from, width / 2 - 8, height / 2 - 8, 16, 16, 0, 0, 16, 16);
  const { data } = canvas.getImageData(0, 0, 16, 16);
  found.colour = [0, 1, 2].map((c) => data.filter((_, i) => i % 4 === c).reduce((sum, v) => sum + v, 0) / 256);
  return found;
}

const verb = (c) => (c.times ? thumbnails : c.colour ? colour : watch);

window.run = (c) => verb(c)(c).catch((e) => ({ ...found, failed: String(e && e.message || e) }));
