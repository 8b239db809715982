// SPDX-License-Identifier: PostgreSQL
//
// noderedis.js: node-redis (the package "redis") through its own methods, in the protocol that
// CLIENTS_PROTOCOL says.
//
// Run by test/clients/run; see tap.js for the environment.
'use strict';

const assert = require('node:assert/strict');
const { createClient, RESP_TYPES } = require('redis');
const tap = require('./tap.js');

const { test, check, rejects, onPgfirst, protocol } = tap;

function client(options) {
	const where = tap.socket ? { path: tap.socket }
		: tap.tlsPort ? { host: tap.host, port: tap.tlsPort, tls: true, ca: tap.authority }
		: { host: tap.host, port: tap.port };
	const made = createClient({
		username: tap.user, password: tap.password, RESP: protocol, ...options, socket: { ...where, ...options?.socket },
	});
	made.on('error', () => {}); // A restart is no reason to end the process.
	return made;
}

// With a client of its own, which is gone afterwards.
async function withClient(options, run) {
	const made = client({ ...options, socket: { reconnectStrategy: false } });
	try {
		await made.connect();
		return await run(made);
	} finally {
		if (made.isOpen) made.destroy();
	}
}

const r = client();
const opened = r.connect();
const plain = (reply) => JSON.parse(JSON.stringify(reply));

// ---- the connection -------------------------------------------------------------------------

test('PING, ECHO, TIME', async () => {
	check(await r.ping(), 'PONG');
	check(await r.ping('message'), 'message');
	check(await r.echo('a\r\nb'), 'a\r\nb');
	const [seconds, microseconds] = await r.time();
	assert.ok(Math.abs(seconds - Date.now() / 1000) < 60 && microseconds < 1e6);
});

test('SELECT', async () => {
	await withClient({ database: 1 }, async (one) => {
		await one.set('where', 'one');
		check([await r.get('where'), await one.get('where')], [null, 'one']);
		await one.select(2);
		check(await one.get('where'), null);
		await one.select(1);
		await one.flushDb();
		await rejects(one.select(4), 'ERR DB index is out of range');
		await rejects(one.sendCommand(['SELECT', 'x']), 'ERR value is not an integer or out of range');
	});
});

test('CLIENT ID, GETNAME, SETNAME, INFO, LIST', async () => withClient({ name: 'a-name' }, async (c) => {
	check(await c.clientGetName(), 'a-name');
	check(await c.clientSetName('other'), 'OK');
	check(await c.clientGetName(), 'other');
	await rejects(c.clientSetName('two words'), 'ERR Client names cannot contain spaces, newlines or special characters.');
	const id = await c.clientId();
	const info = await c.clientInfo();
	check([info.id, info.name, info.db, info.user, info.resp], [id, 'other', 0, tap.user, protocol]);
	check((await r.clientList()).filter((line) => line.name === 'other').map((line) => line.id), [id]);
	check((await r.clientList({ ID: [String(id)] })).map((line) => line.name), ['other']);
	check(await r.clientList({ TYPE: 'PUBSUB' }).then((lines) => lines.filter((line) => line.id === id)), []);
}));

test('CLIENT SETINFO', async () => {
	if (!onPgfirst) return 'Redis 7.0 has no CLIENT SETINFO';
	// node-redis says by itself which library it is.
	assert.match(String(await r.sendCommand(['CLIENT', 'INFO'])), / lib-name=node-redis lib-ver=\d+\.\d+\.\d+/);
	return withClient({}, async (c) => {
		check(await c.sendCommand(['CLIENT', 'SETINFO', 'LIB-NAME', 'another']), 'OK');
		assert.match(String(await c.sendCommand(['CLIENT', 'INFO'])), / lib-name=another /);
	});
});

test('HELLO, AUTH, RESET, QUIT', async () => withClient({}, async (c) => {
	const hello = await c.hello();
	check([hello.server, hello.proto, hello.mode, hello.role], ['redis', protocol, 'standalone', 'master']);
	check(await c.auth({ password: tap.password }), 'OK');
	check(await c.auth({ username: tap.user, password: tap.password }), 'OK');
	await rejects(c.auth({ username: tap.user, password: 'wrong' }), 'WRONGPASS invalid username-password pair or user is disabled.');
	// node-redis's reset() logs in again and asks for its protocol.
	await c.clientSetName('before');
	await c.reset();
	check([await c.ping(), (await c.clientInfo()).resp, (await c.clientInfo()).name], ['PONG', protocol, '']);
	check(await c.sendCommand(['RESET']), 'RESET');
	await rejects(c.get('key'), 'NOAUTH Authentication required.');
	check(await c.sendCommand(['QUIT']), 'OK');
}));

test('wrong passwords, and none', async () => {
	const wrong = 'WRONGPASS invalid username-password pair or user is disabled.';
	await rejects(withClient({ password: 'wrong' }, (c) => c.ping()), wrong);
	await rejects(withClient({ username: 'nobody' }, (c) => c.ping()), wrong);
	await assert.rejects(withClient({ username: undefined, password: undefined }, (c) => c.ping()), /NOAUTH /);
	check(await withClient({ username: undefined }, (c) => c.ping()), 'PONG');
	check(await withClient({ username: 'default' }, (c) => c.ping()), 'PONG');
});

test('ACL: WHOAMI, USERS, GETUSER, CAT, GENPASS', async () => withClient({}, async (c) => {
	check(await c.aclWhoAmI(), tap.user);
	assert.ok((await c.aclUsers()).includes(tap.user));
	const user = await c.aclGetUser(tap.user);
	check([user.flags.includes('on'), user.commands, user.keys, user.channels], [true, '+@all', '~*', '&*']);
	assert.ok((await c.aclCat('read')).includes('get'));
	check((await c.aclGenPass()).length, 64);
}));

test('a URL', async () => {
	if (tap.socket) return 'TCP only';
	const [scheme, port, socket] = tap.tlsPort ? ['rediss', tap.tlsPort, { ca: tap.authority }] : ['redis', tap.port, {}];
	const c = createClient({ url: `${scheme}://${tap.user}:${tap.password}@${tap.host}:${port}/2`, socket });
	await c.connect();
	check([await c.ping(), (await c.clientInfo()).db], ['PONG', 2]);
	return c.close();
});

// ---- the server -----------------------------------------------------------------------------

test('COMMAND COUNT, DOCS, INFO, LIST', async () => {
	assert.ok(await r.commandCount() >= 31);
	const [get, none] = await r.commandInfo(['get', 'nothing']);
	check([get.name, get.arity, get.firstKeyIndex, get.lastKeyIndex, get.step, none], ['get', 2, 1, 1, 1, null]);
	assert.ok([...get.flags].includes('readonly'));
	assert.ok((await r.command()).some((command) => command.name === 'mset' && command.arity === -3));
	const list = await r.commandList();
	for (const name of ['get', 'set', 'scan', 'config|get']) assert.ok(list.includes(name), name);
	check(await r.commandList({ FILTERBY: { type: 'PATTERN', value: 'mget' } }), ['mget']);
	const docs = await r.sendCommand(['COMMAND', 'DOCS', 'get', 'nothing']);
	if (protocol === 3) {
		check(Object.keys(docs), ['get']);
		check(docs.get.group, 'string');
	} else {
		check([docs.length, docs[0], docs[1][docs[1].indexOf('group') + 1]], [2, 'get', 'string']);
	}
});

test('INFO', async () => {
	const info = await r.info();
	assert.match(info, /^redis_version:7\.\d+\.\d+\r$/m);
	assert.match(info, /^redis_mode:standalone\r$/m);
	assert.match(info, /^role:master\r$/m);
	await r.mSet(['a', '1', 'b', '2']);
	await r.expire('a', 1000);
	assert.match(await r.info('keyspace'), /^db0:keys=2,expires=1,/m);
	if (onPgfirst) assert.match(await r.info('pgfirst'), /^pgfirst_version:/m);
	return undefined;
});

test('CONFIG GET, SET', async () => {
	const before = plain(await r.configGet('slowlog-max-len'));
	check(Object.keys(before), ['slowlog-max-len']);
	check(plain(await r.configGet('nothing-of-the-kind')), {});
	check(await r.configSet('slowlog-max-len', '77'), 'OK');
	check(plain(await r.configGet(['slowlog-max-len', 'maxmemory-policy'])), { 'slowlog-max-len': '77', 'maxmemory-policy': 'noeviction' });
	await r.configSet(before);
	await rejects(r.configSet('nothing', '1'), "ERR Unknown option or number of arguments for CONFIG SET - 'nothing'");
	if (onPgfirst) {
		// What follows a setting of PostgreSQL is changed there, and the answer says where.
		await rejects(r.configSet('port', '1'), "ERR CONFIG SET failed (possibly related to argument 'port') - " +
			"can't set it here; it follows pgfirst.redis_port");
	}
});

test('CLIENT KILL, PAUSE, UNPAUSE, NO-EVICT, NO-TOUCH, WAIT, LASTSAVE, COMMAND GETKEYS', async () => {
	check(await r.clientKill({ filter: 'ID', id: 99999999 }), 0);
	check([await r.clientPause(1, 'WRITE'), await r.clientUnpause(), await r.clientGetRedir()], ['OK', 'OK', -1]);
	check(await r.clientNoEvict(false), 'OK');
	if (onPgfirst) check(await r.clientNoTouch(false), 'OK');
	check(plain(await r.clientTrackingInfo()).redirect, -1);
	check([await r.wait(0, 0), await r.wait(1, 10)], [0, 0]);
	assert.ok(await r.lastSave() > 1600000000);
	check(await r.commandGetKeys(['MSET', 'a', '1', 'b', '2']), ['a', 'b']);
	check((await r.commandGetKeysAndFlags(['GET', 'a'])).map((entry) => entry.key), ['a']);
	check(await r.configResetStat(), 'OK');
	check([await r.sendCommand(['SLOWLOG', 'RESET']), await r.sendCommand(['SLOWLOG', 'LEN'])], ['OK', 0]);
});

test('DBSIZE, FLUSHDB', async () => {
	await r.mSet(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key${i}`, String(i)])));
	check(await r.dbSize(), 100);
	check([await r.flushDb('ASYNC'), await r.dbSize()], ['OK', 0]);
	await r.set('key', 'value');
	check([await r.flushDb(), await r.dbSize(), await r.get('key')], ['OK', 0, null]);
});

// ---- keys and strings -----------------------------------------------------------------------

test('GET, SET', async () => {
	check([await r.get('key'), await r.set('key', 'value'), await r.get('key')], [null, 'OK', 'value']);
	check([await r.set('key', ''), await r.get('key')], ['OK', '']);
	check([await r.set('', 'of the empty key'), await r.get('')], ['OK', 'of the empty key']);
});

test('SET with every option', async () => {
	const set = (value, options) => r.set('key', String(value), options);
	const ex = (type, value) => ({ expiration: { type, value } });
	check([await set(1, { condition: 'NX' }), await set(2, { condition: 'NX' }), await r.get('key')], ['OK', null, '1']);
	check([await set(3, { condition: 'XX' }), await r.set('none', '3', { condition: 'XX' })], ['OK', null]);
	check([await set(4, { GET: true }), await r.set('none', '4', { GET: true })], ['3', null]);
	check([await set(5, { condition: 'NX', GET: true }), await r.get('key')], ['4', '4']);
	await set(6, ex('EX', 100));
	assert.ok(await r.ttl('key') >= 99);
	check(await set(7, { expiration: 'KEEPTTL' }), 'OK');
	assert.ok(await r.ttl('key') >= 98);
	await set(8, ex('PX', 100000));
	assert.ok(await r.pTTL('key') > 98000);
	await set(9);
	check(await r.ttl('key'), -1);
	const now = Number((await r.time())[0]);
	await set(10, ex('EXAT', now + 100));
	assert.ok([98, 99, 100].includes(await r.ttl('key')));
	await set(11, ex('PXAT', (now + 200) * 1000));
	assert.ok([198, 199, 200].includes(await r.ttl('key')));
	await rejects(set(12, ex('EX', 0)), "ERR invalid expire time in 'set' command");
	await rejects(r.sendCommand(['SET', 'key', '12', 'NX', 'XX']), 'ERR syntax error');
	check(await r.get('key'), '11');
	await r.set('short', 'lived', ex('PX', 30));
	await tap.wait(60);
	check([await r.get('short'), await r.exists('short')], [null, 0]);
});

test('MGET, MSET', async () => {
	check(await r.mSet([['a', '1'], ['b', ''], ['c', 'ü']]), 'OK');
	check(await r.mGet(['a', 'none', 'b', 'c', 'a']), ['1', null, '', 'ü', '1']);
	await rejects(r.sendCommand(['MSET', 'a', '1', 'b']), "ERR wrong number of arguments for 'mset' command");
});

test('INCR, DECR, INCRBY', async () => {
	check([await r.incr('n'), await r.incrBy('n', 41), await r.decr('n'), await r.incrBy('n', -1000)], [1, 42, 41, -959]);
	await r.set('n', '9223372036854775807');
	await rejects(r.incr('n'), 'ERR increment or decrement would overflow');
	await r.set('n', 'text', { expiration: { type: 'EX', value: 100 } });
	await rejects(r.incr('n'), 'ERR value is not an integer or out of range');
	await r.set('n', '5', { expiration: 'KEEPTTL' });
	check([await r.incr('n'), await r.ttl('n') > 90], [6, true]);
});

test('SETNX, SETEX, PSETEX, GETSET, GETEX, GETDEL, MSETNX', async () => {
	check([await r.setNX('key', '1'), await r.setNX('key', '2'), await r.get('key')], [1, 0, '1']);
	check([await r.setEx('key', 100, '3'), await r.ttl('key') >= 99], ['OK', true]);
	check([await r.pSetEx('key', 50500, '4'), await r.pTTL('key') > 49000], ['OK', true]);
	check([await r.getSet('key', '5'), await r.ttl('key'), await r.getSet('none', '6')], ['4', -1, null]);
	check([await r.getEx('key', { type: 'EX', value: 100 }), await r.ttl('key') >= 99], ['5', true]);
	check([await r.getEx('key', { type: 'PERSIST' }), await r.ttl('key'), await r.getEx('missing', { type: 'PERSIST' })], ['5', -1, null]);
	check([await r.getDel('none'), await r.getDel('none')], ['6', null]);
	check([await r.mSetNX({ a: '1', b: '2' }), await r.mSetNX({ b: '3', c: '4' }), await r.mGet(['a', 'b', 'c'])], [1, 0, ['1', '2', null]]);
});

test('APPEND, STRLEN, GETRANGE, SETRANGE, DECRBY, INCRBYFLOAT', async () => {
	check([await r.append('key', 'Hello'), await r.append('key', ' World'), await r.strLen('key')], [5, 11, 11]);
	check([await r.getRange('key', -5, -1), await r.sendCommand(['SUBSTR', 'key', '0', '4'])], ['World', 'Hello']);
	check([await r.setRange('key', 6, 'Redis'), await r.get('key')], [11, 'Hello Redis']);
	check([await r.decrBy('n', 7), await r.incrByFloat('n', 0.1), await r.get('n')], [-7, '-6.9', '-6.9']);
	await rejects(r.incrByFloat('key', '1'), 'ERR value is not a valid float');
});

test('SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP', async () => {
	check([await r.setBit('key', 7, 1), await r.setBit('key', 7, 0), await r.setBit('key', 9, 1), await r.getBit('key', 9)], [0, 1, 0, 1]);
	await r.mSet({ key: 'foobar', other: 'abcdef' });
	check([await r.bitCount('key'), await r.bitCount('key', { start: 1, end: 1 }), await r.bitCount('key', { start: 5, end: 30, mode: 'BIT' })], [26, 6, 17]);
	check([await r.bitPos('key', '1'), await r.bitPos('key', 0, 1), await r.bitPos('key', 1, 2, 4, 'BIT')], [1, 8, 2]);
	check([await r.bitOp('AND', 'd', ['key', 'other']), await r.get('d')], [6, '`bc`ab']);
	check([await r.bitOp('NOT', 'd', 'd'), await r.bitOp('OR', 'd', 'none'), await r.exists('d')], [6, 0, 0]);
});

test('DEL, EXISTS, TYPE', async () => {
	await r.mSet({ a: '1', b: '2', c: '3' });
	check([await r.exists(['a', 'b', 'none', 'a']), await r.del(['a', 'none', 'b', 'a']), await r.exists(['a', 'b', 'c'])], [3, 2, 1]);
	check([await r.type('c'), await r.type('none')], ['string', 'none']);
});

test('UNLINK, TOUCH, COPY, RENAME, RENAMENX, MOVE, RANDOMKEY, FLUSHALL', async () => {
	check(await r.randomKey(), null);
	await r.mSet({ a: '1', b: '2', c: '3' });
	check([await r.touch(['a', 'b', 'none', 'a']), await r.unlink(['a', 'none', 'b']), await r.randomKey()], [3, 2, 'c']);
	await r.expire('c', 100);
	check([await r.copy('c', 'd'), await r.copy('c', 'd'), await r.copy('c', 'd', { REPLACE: true }), await r.ttl('d') > 90], [1, 0, 1, true]);
	check([await r.rename('c', 'd'), await r.renameNX('d', 'e'), await r.get('e'), await r.ttl('e') > 90], ['OK', 1, '3', true]);
	await rejects(r.rename('none', 'x'), 'ERR no such key');
	check([await r.copy('e', 'e', { DB: 1 }), await r.move('e', 1), await r.move('e', 2), await r.exists('e')], [1, 0, 1, 0]);
	await rejects(r.move('e', 4), 'ERR DB index is out of range');
	check([await r.flushAll(), await r.dbSize()], ['OK', 0]);
});

test('OBJECT', async () => {
	await r.mSet({ number: '12345', short: 'text', long: 'x'.repeat(45) });
	check([await r.objectEncoding('number'), await r.objectEncoding('short'), await r.objectEncoding('long'),
		await r.objectEncoding('none')], ['int', 'embstr', 'raw', null]);
	check([await r.objectRefCount('short'), await r.objectIdleTime('short')], [1, 0]);
});

test('EXPIREAT, PEXPIREAT, EXPIRETIME, PEXPIRETIME', async () => {
	check([await r.expireAt('key', 4102444800), await r.expireTime('key'), await r.pExpireTime('key')], [0, -2, -2]);
	await r.set('key', 'value');
	check([await r.expireTime('key'), await r.expireAt('key', 4102444800), await r.pExpireTime('key')], [-1, 1, 4102444800000]);
	check([await r.pExpireAt('key', 4102444800500, 'GT'), await r.expireTime('key'), await r.expireAt('key', 1, 'NX')], [1, 4102444801, 0]);
	check([await r.expireAt('key', 1), await r.exists('key')], [1, 0]);
});

test('EXPIRE, PEXPIRE, TTL, PTTL, PERSIST', async () => {
	check([await r.ttl('key'), await r.pTTL('key'), await r.expire('key', 100), await r.persist('key')], [-2, -2, 0, 0]);
	await r.set('key', 'value');
	check([await r.ttl('key'), await r.pTTL('key'), await r.persist('key')], [-1, -1, 0]);
	check([await r.expire('key', 100), await r.ttl('key') >= 99], [1, true]);
	check([await r.pExpire('key', 50500), await r.pTTL('key') > 49000], [1, true]);
	check([await r.persist('key'), await r.ttl('key')], [1, -1]);
	check([await r.expire('key', 10, 'XX'), await r.expire('key', 10, 'NX'), await r.expire('key', 20, 'NX')], [0, 1, 0]);
	check([await r.expire('key', 5, 'GT'), await r.expire('key', 20, 'GT'), await r.expire('key', 30, 'LT')], [0, 1, 0]);
	check([await r.expire('key', -1), await r.exists('key')], [1, 0]);
});

test('KEYS, SCAN', async () => {
	const names = Array.from({ length: 500 }, (_, i) => `user:${i}`);
	await r.mSet(Object.fromEntries(names.map((name) => [name, '1'])));
	await r.mSet({ 'post:1': '1', 'post:2': '2', 'post:33': '3' });
	check((await r.keys('post:?')).sort(), ['post:1', 'post:2']);
	const found = [];
	for await (const batch of r.scanIterator({ MATCH: 'user:*', COUNT: 7 })) found.push(...batch);
	check([...new Set(found)].sort(), names.sort());
	if (onPgfirst) check(found.length, 500);
	const all = await r.scan('0', { COUNT: 100000, TYPE: 'string' });
	check([all.cursor, all.keys.length], ['0', 503]);
	await rejects(r.scan('none'), 'ERR invalid cursor');
});

test('the types of RESP3', async () => {
	if (protocol !== 3) return 'RESP3 only';
	const c = r.withTypeMapping({ [RESP_TYPES.MAP]: Map, [RESP_TYPES.SET]: Set });
	const hello = await c.sendCommand(['HELLO', '3']);
	check([hello instanceof Map, hello.get('proto')], [true, 3]);
	check(await c.sendCommand(['CONFIG', 'GET', 'maxmemory-policy']), new Map([['maxmemory-policy', 'noeviction']]));
	const docs = await c.sendCommand(['COMMAND', 'DOCS', 'get']);
	check([docs.get('get') instanceof Map, docs.get('get').get('group')], [true, 'string']);
	const [get] = await c.sendCommand(['COMMAND', 'INFO', 'get']);
	check([get[2] instanceof Set, get[6] instanceof Set, get[7] instanceof Set], [true, true, true]);
	// Verbatim text says of which format it is.
	const verbatim = r.withTypeMapping({ [RESP_TYPES.VERBATIM_STRING]: require('@redis/client').VerbatimString });
	for (const words of [['INFO', 'server'], ['CLIENT', 'INFO'], ['CLIENT', 'LIST']]) {
		check((await verbatim.sendCommand(words)).format, 'txt');
	}
	check(await r.get('none'), null);
	return undefined;
});

// ---- sizes, pipelines, trouble --------------------------------------------------------------

test('keys and values of any bytes', async () => {
	const bytes = r.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
	const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
	for (const key of [every, Buffer.from([0]), Buffer.from('\r\n'), Buffer.from('schlüssel')]) {
		await r.set(key, every);
		check(await bytes.get(key), every);
		check(await bytes.keys('*'), [key]);
		check(await r.del(key), 1);
	}
});

test('a key of 100 KB and a value of 10 MB', async () => {
	const key = 'k'.repeat(102400);
	const value = Buffer.alloc(10 << 20, 'abc\0\r\n\xff', 'latin1');
	check(await r.set(key, value), 'OK');
	assert.ok(value.equals(await r.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).get(key)));
	check([await r.keys('*'), await r.del(key)], [[key], 1]);
});

test('a pipeline of 10,000', async () => {
	const asked = Array.from({ length: 10000 }, (_, i) => (i % 2 ? r.get(`key${i - 1}`) : r.set(`key${i}`, String(i))));
	check(await Promise.all(asked), Array.from({ length: 10000 }, (_, i) => (i % 2 ? String(i - 1) : 'OK')));
	check(await r.dbSize(), 5000);
});

test('errors within a pipeline concern one command', async () => {
	const results = await Promise.allSettled([
		r.set('key', 'text'), r.incr('key'), r.get('key'), r.sendCommand(['NOTHING'])]);
	check(results.map((result) => result.value ?? result.reason.message),
		['OK', 'ERR value is not an integer or out of range', 'text', "ERR unknown command 'NOTHING', with args beginning with: "]);
});

test('commands in flight on fifty connections', async () => {
	const clients = Array.from({ length: 50 }, () => client());
	const answers = await Promise.all(clients.map(async (c, i) => {
		await c.connect();
		await c.set(`key${i}`, String(i));
		return c.incr('n');
	}));
	check(answers.sort((a, b) => a - b), Array.from({ length: 50 }, (_, i) => i + 1));
	clients.forEach((c) => c.destroy());
});

// ---- collections, waiting, messages ---------------------------------------------------------

test('hashes, lists, sets, sorted sets', async () => {
	check(await r.hSet('h', { a: '1', b: 'text' }), 2);
	check(plain(await r.hGetAll('h')), { a: '1', b: 'text' });
	check([await r.hIncrBy('h', 'a', 5), await r.hmGet('h', ['b', 'none']), await r.hDel('h', 'b')], [6, ['text', null], 1]);
	check([await r.rPush('l', ['a', 'b', 'c']), await r.lRange('l', 0, -1), await r.lMove('l', 'm', 'LEFT', 'RIGHT')], [3, ['a', 'b', 'c'], 'a']);
	check([await r.sAdd('s', ['a', 'b']), await r.sIsMember('s', 'a'), [...await r.sMembers('s')].sort()], [2, 1, ['a', 'b']]);
	check(await r.zAdd('z', [{ score: 1, value: 'a' }, { score: 2.5, value: 'b' }]), 2);
	check(plain(await r.zRangeWithScores('z', 0, -1)), [{ value: 'a', score: 1 }, { value: 'b', score: 2.5 }]);
	await rejects(r.get('h'), 'WRONGTYPE Operation against a key holding the wrong kind of value');
});

test('waiting for a list and for a sorted set', async () => {
	await withClient({}, async (waits) => {
		const popped = waits.blPop(['none', 'q'], 30);
		await r.rPush('q', 'x');
		check(plain(await popped), { key: 'q', element: 'x' });
		const lowest = waits.bzPopMin('q', 30);
		await r.zAdd('q', { score: 1, value: 'a' });
		check(plain(await lowest), { key: 'q', value: 'a', score: 1 });
		check(await waits.blPop('q', 0.05), null);
	});
});

test('messages', async () => {
	await withClient({}, async (ear) => {
		const heard = [];
		let resolve;
		const all = new Promise((good) => { resolve = good; });
		await ear.subscribe('news', (message) => heard.push(message));
		await ear.pSubscribe('n*', (message, channel) => {
			heard.push(`${channel} ${message}`);
			if (message === 'last') resolve();
		});
		check(await r.publish('news', 'x'), 2);
		await r.multi().set('key', 'v').publish('news', 'last').exec();
		await all;
		check(heard, ['x', 'news x', 'last', 'news last']);
	});
});

test('goes on by itself after the server was restarted', async () => {
	await r.set('kept', 'value');
	const restarted = tap.restartServer();
	await new Promise((resolve) => r.once('error', resolve));
	// Waits in the queue of node-redis until the server is back.
	const asked = r.get('kept');
	await restarted;
	check([await asked, await r.set('kept', 'again'), await r.get('kept')], ['value', 'OK', 'again']);
	check((await r.clientInfo()).resp, protocol);
});

console.log(`# node-redis ${require('redis/package.json').version}, RESP${protocol}`);
tap.main(async () => { await opened; await r.flushDb(); }, () => r.close());
