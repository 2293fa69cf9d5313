// web/build.mjs - bundles the page, and makes a C file of all of it.
//
// usage: node web/build.mjs FOLDER     (which has node_modules)
// Writes FOLDER/files.c: the files of services/dispatch/web.h.
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';

const folder = resolve(process.argv[2]);
const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const modules = `${folder}/node_modules`;
const esbuild = createRequire(`${modules}/`)('esbuild');

const read = (path) => readFileSync(resolve(here, path));

function bundle(entry) {
	const made = esbuild.buildSync({
		entryPoints: [resolve(here, entry)],
		nodePaths: [modules],
		bundle: true,
		minify: true,
		format: 'esm',
		target: ['es2022'],
		charset: 'utf8',
		legalComments: 'none', // they stand in licences.txt
		logLevel: 'warning',
		write: false,
	});

	return Buffer.from(made.outputFiles[0].contents);
}

/* What the bundle holds of others. */
function licences() {
	return ['mpegts.js', 'hls.js', 'es6-promise', 'events'].map((name) => {
		const { version } = JSON.parse(readFileSync(`${modules}/${name}/package.json`));

		return `${name} ${version}\n\n${readFileSync(`${modules}/${name}/LICENSE`)}\n\n`;
	}).join('');
}

const files = [
	['/', 'text/html; charset=utf-8', read('index.html')],
	['/page.js', 'text/javascript; charset=utf-8', bundle('src/page.js')],
	['/style.css', 'text/css; charset=utf-8', read('style.css')],
	['/icon.svg', 'image/svg+xml', read('icon.svg')],
	['/licences.txt', 'text/plain; charset=utf-8', Buffer.from(licences())],
];

function array(name, bytes) {
	const lines = [];

	for (let at = 0; at < bytes.length; at += 4096)
		lines.push([...bytes.subarray(at, at + 4096)].join(','));
	return `static const uint8_t ${name}[] = {\n${lines.join(',\n')}};\n`;
}

function entry([path, type, body], i) {
	const etag = createHash('sha256').update(body).digest('hex').slice(0, 16);

	return `\t{"${path}", "${type}", "\\"${etag}\\"", ` +
		`{body_${i}, sizeof(body_${i})}, {gzip_${i}, sizeof(gzip_${i})}},\n`;
}

const text = `/* Made by web/build.mjs. */
#include "services/dispatch/web.h"

${files.map(([, , body], i) => array(`body_${i}`, body) + array(`gzip_${i}`, gzipSync(body, { level: 9 }))).join('')}
const struct web_file web_files[] = {
${files.map(entry).join('')}};
const size_t web_file_count = ${files.length};
const char web_missing[] = "";
`;

writeFileSync(`${folder}/files.c.new`, text);
renameSync(`${folder}/files.c.new`, `${folder}/files.c`);
