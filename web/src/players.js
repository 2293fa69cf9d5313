// web/src/players.js - the forms in which a browser can play a stream.
import Hls from 'hls.js';
import mpegts from 'mpegts.js';

mpegts.LoggingControl.enableAll = false;

// Live: little is held back, and who has fallen behind plays a little faster.
const LIVE = {
	enableStashBuffer: false,
	lazyLoad: false,
	liveSync: true,
	liveSyncMaxLatency: 1.5,
	liveSyncTargetLatency: 0.8,
	liveSyncPlaybackRate: 1.1,
	autoCleanupSourceBuffer: true,
};

const canFeed = () => mpegts.isSupported();

export const forms = [
	{ id: 'flv', name: 'HTTP-FLV', end: '.flv', play: byMpegts('flv'), can: canFeed },
	{ id: 'ws-flv', name: 'WebSocket-FLV', end: '.flv', isSocket: true, play: byMpegts('flv'), can: canFeed },
	{ id: 'ts', name: 'HTTP-TS', end: '.ts', play: byMpegts('mpegts'), can: canFeed },
	{ id: 'ws-ts', name: 'WebSocket-TS', end: '.ts', isSocket: true, play: byMpegts('mpegts'), can: canFeed },
	{ id: 'hls', name: 'HLS', end: '.m3u8', play: byHls, can: () => Hls.isSupported() },
	{ id: 'native', name: 'HLS by the browser itself', end: '.m3u8', play: byBrowser, can: canPlayHls },
].filter((form) => form.can());

/* Can this browser decode it? What is not asked for here, most can. */
export function canShow(codec) {
	const source = globalThis.MediaSource;

	return codec !== 'H.265' || !source || source.isTypeSupported('video/mp4; codecs="hvc1.1.6.L93.B0"');
}

/* Where a stream is, in that form, below the address of an edge. */
export function address(base, key, form) {
	const path = key.split('/').map(encodeURIComponent).join('/');
	const url = `${base}/${path}${form.end}`;

	return form.isSocket ? url.replace(/^http/, 'ws') : url;
}

function canPlayHls() {
	return document.createElement('video').canPlayType('application/vnd.apple.mpegurl') !== '';
}

/* Each play(video, url, onEnd) begins to play, and returns what stops it.
 * onEnd(why) comes when it is over by itself: "" is the stream's end. */

function byMpegts(type) {
	return (video, url, onEnd) => {
		const player = mpegts.createPlayer({ type, url, isLive: true, cors: true }, LIVE);

		player.on(mpegts.Events.ERROR, (kind, detail, info) => onEnd(info?.msg || detail || kind));
		player.on(mpegts.Events.LOADING_COMPLETE, () => onEnd(''));
		player.attachMediaElement(video);
		player.load();
		return () => player.destroy();
	};
}

function byHls(video, url, onEnd) {
	const hls = new Hls({ enableWorker: false, liveSyncDurationCount: 2 });

	hls.on(Hls.Events.ERROR, (event, what) => {
		if (what.fatal)
			onEnd(what.details);
	});
	hls.loadSource(url);
	hls.attachMedia(video);
	return () => hls.destroy();
}

function byBrowser(video, url, onEnd) {
	const over = () => onEnd(video.error ? video.error.message || 'it cannot be played' : '');

	video.addEventListener('error', over);
	video.addEventListener('ended', over);
	video.crossOrigin = 'anonymous'; // else Chromium shows nothing of another origin
	video.src = url;
	return () => {
		video.removeEventListener('error', over);
		video.removeEventListener('ended', over);
		video.removeAttribute('crossorigin');
		video.removeAttribute('src');
		video.load();
	};
}
