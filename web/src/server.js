// web/src/server.js - what is asked of the server, and the token for it.

const KEPT = 'weir-token';

/* A token may come in the address (#token=…), which browsers tell nobody. */
export function takeToken() {
	const said = new URLSearchParams(location.hash.slice(1));
	const token = said.get('token');

	if (!token)
		return;
	keepToken(token);
	said.delete('token');
	history.replaceState(null, '', `#${said}`);
}

export function keepToken(token) {
	sessionStorage.setItem(KEPT, token);
}

/* {streams, http, rtmp}; null when a token is needed. */
export async function ask() {
	const token = sessionStorage.getItem(KEPT);
	const headers = token ? { Authorization: `Bearer ${token}` } : {};
	const answer = await fetch('/api/page', { headers });

	if (answer.status === 401 || answer.status === 403)
		return null;
	if (!answer.ok)
		throw new Error(`the server says ${answer.status}`);
	return answer.json();
}
