// SPDX-License-Identifier: PostgreSQL
//
// tap.js: what the suites in JavaScript share: one line of TAP a test, and where the server is.
'use strict';

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const env = process.env;
const label = env.CLIENTS_LABEL || 'client';
const tests = [];

exports.onPgfirst = env.CLIENTS_SERVER === 'pgfirst';
exports.host = env.CLIENTS_HOST;
exports.port = Number(env.CLIENTS_PORT);
exports.user = env.CLIENTS_USER;
exports.password = env.CLIENTS_PASSWORD;
exports.socket = env.CLIENTS_TRANSPORT === 'unix' ? env.CLIENTS_SOCKET : null;
// The port that CONFIG and INFO tell of is `port` all the same.
exports.tlsPort = env.CLIENTS_TRANSPORT === 'tls' ? Number(env.CLIENTS_TLS_PORT) : null;
exports.authority = exports.tlsPort ? fs.readFileSync(env.CLIENTS_CERTIFICATE) : null;
exports.protocol = Number(env.CLIENTS_PROTOCOL);

// Tests run in the order in which they stand. One that returns text was skipped, and says why.
exports.test = (name, run) => tests.push({ name: `${label}: ${name}`, run });

exports.check = (actual, expected) => assert.deepEqual(actual, expected);

// Fails unless the promise is rejected with exactly these words.
exports.rejects = async (promise, words) => {
	let result;
	try {
		result = await promise;
	} catch (error) {
		assert.equal(error.message, words);
		return;
	}
	assert.fail(`got ${JSON.stringify(result)}, expected an error: ${words}`);
};

exports.wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

exports.restartServer = () => new Promise((resolve, reject) => {
	const words = [path.join(__dirname, 'server.py'), 'restart', env.CLIENTS_PLACE];
	execFile('/usr/bin/python3', words, { timeout: 120000 }, (error) => (error ? reject(error) : resolve()));
});

async function limited(promise) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error('not within two minutes')), 120000);
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}

// Runs the tests whose names contain $TEST; `before` runs before each, `after` at the end.
exports.main = async (before, after) => {
	let failed = 0;
	for (const { name, run } of tests) {
		if (!name.includes(env.TEST || '')) continue;
		try {
			await limited(before());
			const skipped = await limited(run());
			console.log(`ok - ${name}${typeof skipped === 'string' ? ` # SKIP ${skipped}` : ''}`);
		} catch (error) {
			failed++;
			console.log(`not ok - ${name}`);
			for (const line of String(error.stack || error).split('\n').slice(0, 30)) {
				console.log(`#   ${line.slice(0, 300)}`);
			}
		}
	}
	await after();
	process.exit(failed ? 1 : 0);
};
