// tests/e2e/browser/players.js - players side by side, as their users would set
// them up for live streams, and what a person in front of them would see.
'use strict';

const players = {}; // by name: {video, errors}

const BITS = 12; // of a frame's number, as clips.counted draws it
const BOX = 20;

function byMpegts(type) {
	return (video, url, fail) => {
		const player = mpegts.createPlayer({ type, url, isLive: true }, {
			enableStashBuffer: false,
			lazyLoad: false,
			liveSync: true,
			autoCleanupSourceBuffer: true,
		});

		player.on(mpegts.Events.ERROR, (kind, detail, info) => fail(`${kind} ${detail} ${info?.msg ?? ''}`));
		player.attachMediaElement(video);
		player.load();
	};
}

const kinds = {
	flv: byMpegts('flv'),
	mpegts: byMpegts('mpegts'),
	hls(video, url, fail) {
		const hls = new Hls();

		hls.on(Hls.Events.ERROR, (event, what) => {
			if (what.fatal)
				fail(what.details);
		});
		hls.loadSource(url);
		hls.attachMedia(video);
	},
	async shaka(video, url, fail) {
		const player = new shaka.Player();

		const say = (error) => fail(`shaka ${error.code ?? error.stack} ${error.data ?? ''}`);

		player.addEventListener('error', (event) => say(event.detail));
		// While a publisher is away the wall clock goes on and the stream's time
		// does not. Shaka 5.2 takes the live edge from the wall clock, and drops
		// segments that are further behind it than its list is long: soon all.
		player.configure('manifest.availabilityWindowOverride', 60);
		// For the same reason dates would put a hole into its buffer.
		player.configure('manifest.hls.ignoreManifestProgramDateTime', true);
		// Chromium's own reader of transport streams keeps the last pictures of
		// a segment until the next one comes, and forgets them when the player
		// begins anew: short segments are then lost.
		player.configure('mediaSource.forceTransmux', true);
		await player.attach(video);
		await player.load(url).catch(say);
	},
	native(video, url) {
		video.crossOrigin = 'anonymous';
		video.src = url;
	},
};

function add(name, kind, url) {
	const video = document.createElement('video');
	const errors = [];
	const fail = (why) => errors.push(String(why));

	video.muted = true;
	document.body.append(video);
	players[name] = { video, errors };
	video.addEventListener('error', () => fail(video.error.message || `error ${video.error.code}`));
	video.autoplay = true;
	kinds[kind](video, url, fail);
}

const canPlayHls = () => document.createElement('video').canPlayType('application/vnd.apple.mpegurl') !== '';

/* The number of the frame that is shown: boxes along the lower edge. */
function number(video) {
	const canvas = document.createElement('canvas');
	const context = canvas.getContext('2d', { willReadFrequently: true });
	let count = 0;

	canvas.width = 320;
	canvas.height = 180;
	try {
		context.drawImage(video, 0, 0, 320, 180);
		for (let bit = 0; bit < BITS; bit++) {
			const [red] = context.getImageData(bit * BOX + BOX / 2, 180 - BOX / 2, 1, 1).data;

			count += red > 127 ? 2 ** bit : 0;
		}
	} catch {
		return null; // the picture of another site may not be looked at
	}
	return count;
}

function look({ video, errors }) {
	const quality = video.getVideoPlaybackQuality();

	return {
		time_s: video.currentTime,
		ranges: Array.from({ length: video.buffered.length }, (_, i) => [video.buffered.start(i), video.buffered.end(i)]),
		frames: quality.totalVideoFrames,
		dropped: quality.droppedVideoFrames,
		number: number(video),
		at_ms: Date.now(),
		errors: [...errors],
	};
}

const lookAtAll = () => Object.fromEntries(Object.entries(players).map(([name, player]) => [name, look(player)]));

const allPlay = () => Object.values(players).every(({ video, errors }) => errors.length || video.currentTime > 0.5);

/* What is to be seen now, each second, and after `for_s`: a list. */
async function watch(for_s) {
	const begin = performance.now();
	const seen = [lookAtAll()];

	while (performance.now() - begin < for_s * 1000) {
		const left = begin + seen.length * 1000 - performance.now();

		await new Promise((done) => setTimeout(done, Math.max(left, 0)));
		seen.push(lookAtAll());
	}
	return { seen, took_s: (performance.now() - begin) / 1000 };
}
