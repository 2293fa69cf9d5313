// web/src/list.js - the list of streams. Names are text, never markup.

const items = new Map(); // key of a stream: its <li>

/* Show `streams` in `list`, in place, so that the focus stays where it is. */
export function show(list, streams, chosen, onChoose) {
	const gone = new Set(items.keys());

	for (const stream of streams) {
		gone.delete(stream.key);
		if (!items.has(stream.key))
			items.set(stream.key, make(list, stream.key, onChoose));
		fill(items.get(stream.key), stream, stream.key === chosen);
	}
	for (const key of gone) {
		items.get(key).remove();
		items.delete(key);
	}
}

function make(list, key, onChoose) {
	const item = document.createElement('li');
	const button = document.createElement('button');

	button.type = 'button';
	button.append(text('name', key), text('facts', ''));
	button.addEventListener('click', () => onChoose(key));
	item.append(button);
	item.dataset.key = key;
	list.insertBefore(item, [...list.children].find((other) => other.dataset.key > key) ?? null);
	return item;
}

function text(name, content) {
	const span = document.createElement('span');

	span.className = name;
	span.textContent = content;
	return span;
}

function fill(item, stream, isChosen) {
	const facts = item.querySelector('.facts');
	const said = describe(stream);

	item.firstChild.setAttribute('aria-pressed', isChosen);
	if (facts.textContent !== said)
		facts.textContent = said;
}

function describe({ live, video, audio, viewers }) {
	const said = [];

	if (!live)
		said.push('publisher away');
	if (video)
		said.push([video.codec, video.width && `${video.width}×${video.height}`,
			video.fps && `${Math.round(video.fps)} fps`].filter(Boolean).join(' '));
	if (audio)
		said.push([audio.codec, audio.rate && `${audio.rate / 1000} kHz`].filter(Boolean).join(' '));
	said.push(`${viewers} ${viewers === 1 ? 'viewer' : 'viewers'}`);
	return said.join(' · ');
}
