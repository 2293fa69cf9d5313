// web/src/page.js - the page: a list of streams, and a player for one of them.
import { show } from './list.js';
import { address, canShow, forms } from './players.js';
import { ask, keepToken, takeToken } from './server.js';

const EACH_MS = 2000;
const AGAIN_MS = 2000;

const at = (id) => document.getElementById(id);

let known = { streams: [], http: [], rtmp: [] };
let chosen = null; // key of the stream
let form = forms[0];
let stop = null; // what plays now
let again = 0; // timer

// ---- playing

function say(text, isWrong = false) {
	at('state').textContent = text;
	at('state').classList.toggle('wrong', isWrong);
}

function sayPlaying() {
	const video = known.streams.find(({ key }) => key === chosen)?.video;

	if (video && !canShow(video.codec))
		say(`This browser cannot show ${video.codec}; there is only sound.`, true);
	else
		say('');
}

function end() {
	clearTimeout(again);
	if (stop)
		stop();
	stop = null;
}

/* A browser may want to be asked before it makes a sound. */
async function begin(video) {
	try {
		await video.play();
	} catch (error) {
		if (error.name !== 'NotAllowedError')
			return;
		video.muted = true;
		video.play().catch(() => {});
	}
}

function onEnd(why) {
	say(why ? `It stopped: ${why}. Trying again …` : 'The stream is over. Waiting for it …', why !== '');
	clearTimeout(again);
	again = setTimeout(start, AGAIN_MS);
}

function start() {
	const video = at('video');

	end();
	if (!form || !known.http.length) {
		say(form ? 'No edge serves at the moment.' : 'This browser can play none of the forms.', true);
		return;
	}
	say('Waiting for the first picture …');
	stop = form.play(video, address(known.http[0], chosen, form), onEnd);
	begin(video);
}

// ---- choosing

function remember() {
	history.replaceState(null, '', `#${new URLSearchParams({ play: chosen, by: form?.id ?? '' })}`);
}

function showAddresses() {
	const urls = [
		...known.http.slice(0, 1).flatMap((base) => ['.flv', '.ts', '.m3u8'].map((end) => address(base, chosen, { end }))),
		...known.rtmp.slice(0, 1).map((base) => address(base, chosen, { end: '' })),
	];

	at('addresses').replaceChildren(...urls.map((url) => {
		const item = document.createElement('li');

		item.append(document.createElement('code'));
		item.firstChild.textContent = url;
		return item;
	}));
}

function choose(key) {
	chosen = key;
	at('title').textContent = key;
	document.title = `${key} – weir`;
	at('player').hidden = false;
	remember();
	showAddresses();
	showStreams();
	start();
}

function makeForms() {
	for (const each of forms) {
		const label = document.createElement('label');
		const input = document.createElement('input');

		input.type = 'radio';
		input.name = 'form';
		input.value = each.id;
		input.addEventListener('change', () => {
			form = each;
			remember();
			start();
		});
		label.append(input, ` ${each.name}`);
		at('forms').append(label);
	}
}

// ---- what there is

function showStreams() {
	const count = known.streams.length;

	show(at('streams'), known.streams, chosen, choose);
	at('summary').textContent = count === 1 ? '1 stream' : `${count} streams`;
	at('empty').hidden = count > 0;
	at('publish').textContent = `ffmpeg -re -i FILE -c copy -f flv ${known.rtmp[0] ?? 'rtmp://HOST'}/live/cam1`;
}

async function refresh() {
	try {
		const told = await ask();

		at('ask').hidden = told !== null;
		if (told) {
			known = told;
			showStreams();
		} else {
			at('summary').textContent = 'The list needs a token.';
		}
	} catch (error) {
		at('summary').textContent = `No list: ${error.message}`;
	}
}

async function keepFresh() {
	if (!document.hidden)
		await refresh();
	setTimeout(keepFresh, EACH_MS);
}

// ---- the beginning

/* #play=live/cam1&by=flv&token=… */
async function readAddress() {
	takeToken();
	const said = new URLSearchParams(location.hash.slice(1));

	form = forms.find((each) => each.id === said.get('by')) ?? form;
	for (const input of at('forms').querySelectorAll('input'))
		input.checked = input.value === form?.id;
	await refresh();
	if (said.get('play') && known.http.length)
		choose(said.get('play'));
}

at('ask').addEventListener('submit', (event) => {
	event.preventDefault();
	keepToken(at('token').value);
	refresh();
});
at('video').addEventListener('playing', sayPlaying);
addEventListener('hashchange', readAddress);
makeForms();
await readAddress();
setTimeout(keepFresh, EACH_MS);
