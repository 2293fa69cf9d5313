// tests/e2e/browser/drive.mjs - Chromium, told what to do by lib/browser.py.
//
// usage: node drive.mjs CHROMIUM MODULES [FLAG...]
// One JSON object a line on stdin: {"do": "open"|"call"|"click"|…, …}; for each
// one line on stdout: {"is": …} or {"error": "…"}. The end of stdin is the end.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [file, modules, ...flags] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)('playwright-core');

const browser = await chromium.launch({ executablePath: file, headless: true, args: flags });
const context = await browser.newContext({ viewport: { width: 1200, height: 900 } });
const pages = [];

/* What nobody wants to see on a page. */
function listen(page, wrong) {
	page.on('pageerror', (error) => wrong.push(error.message));
	page.on('console', (message) => {
		if (message.type() === 'error')
			wrong.push(`${message.text()} ${message.location().url}`);
	});
}

const orders = {
	async open({ url }) {
		const page = await context.newPage();
		const wrong = [];

		listen(page, wrong);
		await page.goto(url);
		pages.push({ page, wrong });
		return pages.length - 1;
	},
	call: ({ on, code, with: given }) => pages[on].page.evaluate(code.replace('GIVEN', JSON.stringify(given ?? null))),
	// (waitForFunction would make the page evaluate a text, which ours forbids.)
	async wait({ on, code, ms }) {
		const end = Date.now() + ms;

		while (!(await pages[on].page.evaluate(code))) {
			if (Date.now() > end)
				throw new Error(`waited ${ms} ms in vain`);
			await new Promise((done) => setTimeout(done, 50));
		}
		return true;
	},
	click: ({ on, what }) => pages[on].page.click(what).then(() => true),
	fill: ({ on, what, text }) => pages[on].page.fill(what, text).then(() => true),
	picture: ({ on, path }) => pages[on].page.screenshot({ path }).then(() => path),
	wrong: ({ on }) => pages[on].wrong,
	close: ({ on }) => pages[on].page.close().then(() => true),
};

for await (const line of createInterface({ input: process.stdin })) {
	const order = JSON.parse(line);
	let said;

	try {
		said = { is: (await orders[order.do](order)) ?? null };
	} catch (error) {
		said = { error: error.message };
	}
	process.stdout.write(`${JSON.stringify(said)}\n`);
}
await browser.close();
