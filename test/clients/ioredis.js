// SPDX-License-Identifier: PostgreSQL
//
// ioredis.js: ioredis through its own methods, in the protocol that CLIENTS_PROTOCOL says.
//
// Run by test/clients/run; see tap.js for the environment. Its default is RESP3 with maps flattened
// as in RESP2; one test looks at what RESP3 itself says (replyMapping: "resp3").
'use strict';

const assert = require('node:assert/strict');
const Redis = require('ioredis');
const tap = require('./tap.js');

const { test, check, rejects, onPgfirst, protocol } = tap;

function connect(options) {
	const where = tap.socket ? { path: tap.socket }
		: tap.tlsPort ? { host: tap.host, port: tap.tlsPort, tls: { ca: tap.authority } }
		: { host: tap.host, port: tap.port };
	const client = new Redis({ ...where, username: tap.user, password: tap.password, protocol, ...options });
	client.on('error', () => {}); // A restart is no reason to end the process.
	return client;
}

// With a client of its own, which is gone afterwards.
async function withClient(options, run) {
	const client = connect({ maxRetriesPerRequest: 0, retryStrategy: null, ...options });
	try {
		return await run(client);
	} finally {
		client.disconnect();
	}
}

const r = connect();
const fields = (line) => Object.fromEntries(line.trim().split(' ').map((word) => {
	const at = word.indexOf('=');
	return [word.slice(0, at), word.slice(at + 1)];
}));

// ---- the connection -------------------------------------------------------------------------

test('PING, ECHO, TIME', async () => {
	check(await r.ping(), 'PONG');
	check(await r.ping('message'), 'message');
	check(await r.echo('a\r\nb'), 'a\r\nb');
	const [seconds, microseconds] = await r.time();
	assert.ok(Math.abs(seconds - Date.now() / 1000) < 60 && microseconds < 1e6);
});

test('the protocol that was asked for', async () => {
	check(fields(await r.client('INFO')).resp, String(protocol));
});

test('SELECT', async () => {
	await withClient({ db: 1 }, async (one) => {
		await one.set('where', 'one');
		check([await r.get('where'), await one.get('where')], [null, 'one']);
		check(await one.select(2), 'OK');
		check(await one.get('where'), null);
		await one.select(1);
		await one.flushdb();
	});
	// ioredis would select the database again on every new connection, even one that was refused.
	await withClient({}, async (c) => {
		await rejects(c.select(4), 'ERR DB index is out of range');
		await rejects(c.select('x'), 'ERR value is not an integer or out of range');
	});
});

test('CLIENT ID, GETNAME, SETNAME, INFO, LIST', async () => {
	await withClient({ connectionName: 'a-name' }, async (c) => {
		check(await c.client('GETNAME'), 'a-name');
		check(await c.client('SETNAME', 'other'), 'OK');
		check(await c.client('GETNAME'), 'other');
		await rejects(c.client('SETNAME', 'two words'),
			'ERR Client names cannot contain spaces, newlines or special characters.');
		const id = await c.client('ID');
		const info = fields(await c.client('INFO'));
		check([info.id, info.name, info.db, info.user], [String(id), 'other', '0', tap.user]);
		const lines = (await r.client('LIST')).trim().split('\n').map(fields);
		check(lines.filter((line) => line.name === 'other').map((line) => line.id), [String(id)]);
		check(fields(await r.client('LIST', 'ID', id)).name, 'other');
	});
});

test('CLIENT SETINFO', async () => {
	if (!onPgfirst) return 'Redis 7.0 has no CLIENT SETINFO';
	// ioredis says by itself which library it is.
	const before = fields(await r.client('INFO'));
	check([before['lib-name'], before['lib-ver']], ['ioredis', require('ioredis/package.json').version]);
	return withClient({}, async (c) => {
		check(await c.client('SETINFO', 'LIB-NAME', 'another'), 'OK');
		check(fields(await c.client('INFO'))['lib-name'], 'another');
	});
});

test('HELLO, AUTH, RESET, QUIT', async () => withClient({}, async (c) => {
	const hello = await c.call('HELLO');
	const answer = {};
	for (let i = 0; i < hello.length; i += 2) answer[hello[i]] = hello[i + 1];
	check([answer.server, answer.proto, answer.mode, answer.role], ['redis', protocol, 'standalone', 'master']);
	check(await c.auth(tap.password), 'OK');
	check(await c.auth(tap.user, tap.password), 'OK');
	await rejects(c.auth(tap.user, 'wrong'), 'WRONGPASS invalid username-password pair or user is disabled.');
	check(await c.call('RESET'), 'RESET');
	await rejects(c.get('key'), 'NOAUTH Authentication required.');
	check(await c.auth(tap.user, tap.password), 'OK');
	check(fields(await c.client('INFO')).resp, '2');
	check(await c.quit(), 'OK');
}));

test('wrong passwords, and none', async () => {
	const wrong = 'WRONGPASS invalid username-password pair or user is disabled.';
	const said = async (options) => new Promise((resolve, reject) => {
		const c = connect({ retryStrategy: null, maxRetriesPerRequest: 0, ...options });
		// Where RESP3 cannot be had ioredis tells in an event; a command tells as well.
		c.on('error', (error) => resolve(error.message));
		c.ping().then((answer) => resolve(answer), (error) => setTimeout(resolve, 500, error.message))
			.finally(() => setTimeout(() => c.disconnect(), 600));
		setTimeout(reject, 20000, new Error('nothing was said'));
	});
	check(await said({ password: 'wrong' }), wrong);
	check(await said({ username: 'nobody' }), wrong);
	assert.match(await said({ username: undefined, password: undefined }), /^NOAUTH /);
	check(await said({ username: undefined }), 'PONG');
	check(await said({ username: 'default' }), 'PONG');
});

test('a URL', async () => {
	if (tap.socket) return 'TCP only';
	const [scheme, port, options] = tap.tlsPort ? ['rediss', tap.tlsPort, { tls: { ca: tap.authority } }] : ['redis', tap.port, {}];
	const c = new Redis(`${scheme}://${tap.user}:${tap.password}@${tap.host}:${port}/2`, options);
	check([await c.ping(), fields(await c.client('INFO')).db], ['PONG', '2']);
	c.disconnect();
});

// ---- the server -----------------------------------------------------------------------------

test('COMMAND COUNT, DOCS, INFO, LIST', async () => {
	assert.ok(await r.command('COUNT') >= 31);
	const [get, none] = await r.command('INFO', 'get', 'nothing');
	check([get[0], get[1], get[3], get[4], get[5], none], ['get', 2, 1, 1, 1, null]);
	assert.ok([...get[2]].includes('readonly'));
	const all = await r.command();
	assert.ok(all.some((command) => command[0] === 'mset' && command[1] === -3));
	const list = await r.command('LIST');
	for (const name of ['get', 'set', 'scan', 'config|get']) assert.ok(list.includes(name), name);
	check(await r.command('LIST', 'FILTERBY', 'PATTERN', 'mget'), ['mget']);
	const docs = await r.command('DOCS', 'get', 'nothing');
	check([docs.length, docs[0]], [2, 'get']);
	for (const name of ['summary', 'since', 'group', 'complexity']) assert.ok(docs[1].includes(name), name);
});

test('INFO', async () => {
	const info = await r.info();
	assert.match(info, /^redis_version:7\.\d+\.\d+\r$/m);
	assert.match(info, /^redis_mode:standalone\r$/m);
	assert.match(info, /^role:master\r$/m);
	await r.mset('a', 1, 'b', 2);
	await r.expire('a', 1000);
	assert.match(await r.info('keyspace'), /^db0:keys=2,expires=1,/m);
	if (onPgfirst) assert.match(await r.info('pgfirst'), /^pgfirst_version:/m);
	return undefined;
});

test('CONFIG GET, SET', async () => {
	const [name, before] = await r.config('GET', 'slowlog-max-len');
	check(name, 'slowlog-max-len');
	check(await r.config('GET', 'nothing-of-the-kind'), []);
	check(await r.config('SET', 'slowlog-max-len', 77), 'OK');
	check(await r.config('GET', 'slowlog-max-len'), ['slowlog-max-len', '77']);
	await r.config('SET', 'slowlog-max-len', before);
	await rejects(r.config('SET', 'nothing', 1), "ERR Unknown option or number of arguments for CONFIG SET - 'nothing'");
	if (onPgfirst) {
		// What follows a setting of PostgreSQL is changed there, and the answer says where.
		await rejects(r.config('SET', 'port', 1), "ERR CONFIG SET failed (possibly related to argument 'port') - " +
			"can't set it here; it follows pgfirst.redis_port");
	}
});

test('CLIENT KILL, PAUSE, UNPAUSE, WAIT, LASTSAVE, SLOWLOG, COMMAND GETKEYS', async () => {
	check([await r.client('KILL', 'ID', 99999999), await r.client('UNBLOCK', 99999999)], [0, 0]);
	await rejects(r.client('KILL', '127.0.0.1:1'), 'ERR No such client');
	check([await r.client('PAUSE', 1, 'WRITE'), await r.client('UNPAUSE'), await r.client('GETREDIR')], ['OK', 'OK', -1]);
	check([await r.wait(0, 0), await r.wait(1, 10)], [0, 0]);
	assert.ok(await r.lastsave() > 1600000000);
	const [, before] = await r.config('GET', 'slowlog-log-slower-than');
	await r.config('SET', 'slowlog-log-slower-than', 0);
	await r.echo('a slow one');
	const entries = (await r.slowlog('GET', -1)).filter((entry) => entry[3].join(' ') === 'echo a slow one');
	check(entries.length, 1);
	await r.config('SET', 'slowlog-log-slower-than', before);
	check([await r.slowlog('RESET'), await r.slowlog('LEN')], ['OK', 0]);
	check(await r.command('GETKEYS', 'MSET', 'a', 1, 'b', 2), ['a', 'b']);
	check(await r.config('RESETSTAT'), 'OK');
});

test('DBSIZE, FLUSHDB', async () => {
	await r.mset(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key${i}`, i])));
	check(await r.dbsize(), 100);
	check([await r.flushdb('ASYNC'), await r.dbsize()], ['OK', 0]);
	await r.set('key', 'value');
	check([await r.flushdb(), await r.dbsize(), await r.get('key')], ['OK', 0, null]);
});

// ---- keys and strings -----------------------------------------------------------------------

test('GET, SET', async () => {
	check([await r.get('key'), await r.set('key', 'value'), await r.get('key')], [null, 'OK', 'value']);
	check([await r.set('key', ''), await r.get('key')], ['OK', '']);
	check([await r.set('', 'of the empty key'), await r.get('')], ['OK', 'of the empty key']);
	check(await r.getBuffer('key'), Buffer.alloc(0));
});

test('SET with every option', async () => {
	check([await r.set('key', 1, 'NX'), await r.set('key', 2, 'NX'), await r.get('key')], ['OK', null, '1']);
	check([await r.set('key', 3, 'XX'), await r.set('none', 3, 'XX')], ['OK', null]);
	check([await r.set('key', 4, 'GET'), await r.set('none', 4, 'GET')], ['3', null]);
	check([await r.set('key', 5, 'NX', 'GET'), await r.get('key')], ['4', '4']);
	await r.set('key', 6, 'EX', 100);
	assert.ok(await r.ttl('key') >= 99);
	check(await r.set('key', 7, 'KEEPTTL'), 'OK');
	assert.ok(await r.ttl('key') >= 98);
	await r.set('key', 8, 'PX', 100000);
	assert.ok(await r.pttl('key') > 98000);
	await r.set('key', 9);
	check(await r.ttl('key'), -1);
	const now = Number((await r.time())[0]);
	await r.set('key', 10, 'EXAT', now + 100);
	assert.ok([98, 99, 100].includes(await r.ttl('key')));
	await r.set('key', 11, 'PXAT', (now + 200) * 1000);
	assert.ok([198, 199, 200].includes(await r.ttl('key')));
	await rejects(r.set('key', 12, 'EX', 0), "ERR invalid expire time in 'set' command");
	await rejects(r.call('SET', 'key', 12, 'NX', 'XX'), 'ERR syntax error');
	check(await r.get('key'), '11');
	await r.set('short', 'lived', 'PX', 30);
	await tap.wait(60);
	check([await r.get('short'), await r.exists('short')], [null, 0]);
});

test('MGET, MSET', async () => {
	check(await r.mset({ a: 1, b: '', c: 'ü' }), 'OK');
	check(await r.mget('a', 'none', 'b', 'c', 'a'), ['1', null, '', 'ü', '1']);
	await rejects(r.call('MSET', 'a', 1, 'b'), "ERR wrong number of arguments for 'mset' command");
});

test('INCR, DECR, INCRBY', async () => {
	check([await r.incr('n'), await r.incrby('n', 41), await r.decr('n'), await r.incrby('n', -1000)], [1, 42, 41, -959]);
	await r.set('n', '9223372036854775807');
	await rejects(r.incr('n'), 'ERR increment or decrement would overflow');
	await r.set('n', 'text', 'EX', 100);
	await rejects(r.incr('n'), 'ERR value is not an integer or out of range');
	await r.set('n', 5, 'KEEPTTL');
	check([await r.incr('n'), await r.ttl('n') > 90], [6, true]);
});

test('SETNX, SETEX, PSETEX, GETSET, GETEX, GETDEL, MSETNX', async () => {
	check([await r.setnx('key', 1), await r.setnx('key', 2), await r.get('key')], [1, 0, '1']);
	check([await r.setex('key', 100, 3), await r.ttl('key') >= 99], ['OK', true]);
	check([await r.psetex('key', 50500, 4), await r.pttl('key') > 49000], ['OK', true]);
	check([await r.getset('key', 5), await r.ttl('key'), await r.getset('none', 6)], ['4', -1, null]);
	check([await r.getex('key', 'EX', 100), await r.ttl('key') >= 99], ['5', true]);
	check([await r.getex('key', 'PERSIST'), await r.ttl('key'), await r.getex('missing')], ['5', -1, null]);
	check([await r.getdel('none'), await r.getdel('none')], ['6', null]);
	check([await r.msetnx({ a: 1, b: 2 }), await r.msetnx({ b: 3, c: 4 }), await r.mget('a', 'b', 'c')], [1, 0, ['1', '2', null]]);
});

test('APPEND, STRLEN, GETRANGE, SETRANGE, DECRBY, INCRBYFLOAT', async () => {
	check([await r.append('key', 'Hello'), await r.append('key', ' World'), await r.strlen('key')], [5, 11, 11]);
	check([await r.getrange('key', -5, -1), await r.substr('key', 0, 4)], ['World', 'Hello']);
	check([await r.setrange('key', 6, 'Redis'), await r.get('key')], [11, 'Hello Redis']);
	check([await r.decrby('n', 7), await r.incrbyfloat('n', 0.1), await r.get('n')], [-7, '-6.9', '-6.9']);
	await rejects(r.incrbyfloat('key', 1), 'ERR value is not a valid float');
});

test('SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP', async () => {
	check([await r.setbit('key', 7, 1), await r.setbit('key', 7, 0), await r.setbit('key', 9, 1), await r.getbit('key', 9)], [0, 1, 0, 1]);
	await r.mset({ key: 'foobar', other: 'abcdef' });
	check([await r.bitcount('key'), await r.bitcount('key', 1, 1), await r.bitcount('key', 5, 30, 'BIT')], [26, 6, 17]);
	check([await r.bitpos('key', 1), await r.bitpos('key', 0, 1), await r.bitpos('key', 1, 2, 4, 'BIT')], [1, 8, 2]);
	check([await r.bitop('AND', 'd', 'key', 'other'), await r.get('d')], [6, '`bc`ab']);
	check([await r.bitop('NOT', 'd', 'd'), await r.bitop('OR', 'd', 'none'), await r.exists('d')], [6, 0, 0]);
});

test('DEL, EXISTS, TYPE', async () => {
	await r.mset({ a: 1, b: 2, c: 3 });
	check([await r.exists('a', 'b', 'none', 'a'), await r.del('a', 'none', 'b', 'a'), await r.exists('a', 'b', 'c')], [3, 2, 1]);
	check([await r.type('c'), await r.type('none')], ['string', 'none']);
});

test('UNLINK, TOUCH, COPY, RENAME, RENAMENX, MOVE, RANDOMKEY, FLUSHALL', async () => {
	check(await r.randomkey(), null);
	await r.mset({ a: 1, b: 2, c: 3 });
	check([await r.touch('a', 'b', 'none', 'a'), await r.unlink('a', 'none', 'b'), await r.randomkey()], [3, 2, 'c']);
	await r.expire('c', 100);
	check([await r.copy('c', 'd'), await r.copy('c', 'd'), await r.copy('c', 'd', 'REPLACE'), await r.ttl('d') > 90], [1, 0, 1, true]);
	check([await r.rename('c', 'd'), await r.renamenx('d', 'e'), await r.get('e'), await r.ttl('e') > 90], ['OK', 1, '3', true]);
	await rejects(r.rename('none', 'x'), 'ERR no such key');
	check([await r.copy('e', 'e', 'DB', 1), await r.move('e', 1), await r.move('e', 2), await r.exists('e')], [1, 0, 1, 0]);
	await rejects(r.move('e', 4), 'ERR DB index is out of range');
	check([await r.select(1), await r.get('e'), await r.flushall(), await r.dbsize(), await r.select(0)], ['OK', '3', 'OK', 0, 'OK']);
});

test('OBJECT', async () => {
	await r.mset({ number: 12345, short: 'text', long: 'x'.repeat(45) });
	check([await r.object('ENCODING', 'number'), await r.object('ENCODING', 'short'), await r.object('ENCODING', 'long'),
		await r.object('ENCODING', 'none')], ['int', 'embstr', 'raw', null]);
	check([await r.object('REFCOUNT', 'short'), await r.object('IDLETIME', 'short')], [1, 0]);
});

test('EXPIREAT, PEXPIREAT, EXPIRETIME, PEXPIRETIME', async () => {
	check([await r.expireat('key', 4102444800), await r.expiretime('key'), await r.pexpiretime('key')], [0, -2, -2]);
	await r.set('key', 'value');
	check([await r.expiretime('key'), await r.expireat('key', 4102444800), await r.pexpiretime('key')], [-1, 1, 4102444800000]);
	check([await r.pexpireat('key', 4102444800500, 'GT'), await r.expiretime('key'), await r.expireat('key', 1, 'NX')], [1, 4102444801, 0]);
	check([await r.expireat('key', 1), await r.exists('key')], [1, 0]);
});

test('EXPIRE, PEXPIRE, TTL, PTTL, PERSIST', async () => {
	check([await r.ttl('key'), await r.pttl('key'), await r.expire('key', 100), await r.persist('key')], [-2, -2, 0, 0]);
	await r.set('key', 'value');
	check([await r.ttl('key'), await r.pttl('key'), await r.persist('key')], [-1, -1, 0]);
	check([await r.expire('key', 100), await r.ttl('key') >= 99], [1, true]);
	check([await r.pexpire('key', 50500), await r.pttl('key') > 49000], [1, true]);
	check([await r.persist('key'), await r.ttl('key')], [1, -1]);
	check([await r.expire('key', 10, 'XX'), await r.expire('key', 10, 'NX'), await r.expire('key', 20, 'NX')], [0, 1, 0]);
	check([await r.expire('key', 5, 'GT'), await r.expire('key', 20, 'GT'), await r.expire('key', 30, 'LT')], [0, 1, 0]);
	check([await r.expire('key', -1), await r.exists('key')], [1, 0]);
});

test('KEYS, SCAN', async () => {
	const names = Array.from({ length: 500 }, (_, i) => `user:${i}`);
	await r.mset(Object.fromEntries(names.map((name) => [name, 1])));
	await r.mset({ 'post:1': 1, 'post:2': 2, 'post:33': 3 });
	check((await r.keys('post:?')).sort(), ['post:1', 'post:2']);
	const found = [];
	for await (const batch of r.scanStream({ match: 'user:*', count: 7 })) found.push(...batch);
	check([...new Set(found)].sort(), names.sort());
	if (onPgfirst) check(found.length, 500);
	const [cursor, some] = await r.scan(0, 'COUNT', 100000, 'TYPE', 'string');
	check([cursor, some.length], ['0', 503]);
	await rejects(r.scan('none'), 'ERR invalid cursor');
});

test('the types of RESP3', async () => {
	if (protocol !== 3) return 'RESP3 only';
	return withClient({ replyMapping: 'resp3' }, async (c) => {
		// A map of RESP3 is no array any more; which kind of map ioredis makes of it is its business.
		const entries = (map) => (map instanceof Map ? Object.fromEntries(map) : map);
		const hello = entries(await c.call('HELLO', 3));
		check([Array.isArray(hello), hello.proto, hello.server], [false, 3, 'redis']);
		check(entries(await c.config('GET', 'maxmemory-policy')), { 'maxmemory-policy': 'noeviction' });
		const docs = entries(await c.command('DOCS', 'get'));
		check(Object.keys(docs), ['get']);
		check(entries(docs.get).group, 'string');
		check(typeof await c.info('server'), 'string');
		check(await c.get('none'), null);
	});
});

// ---- sizes, pipelines, trouble --------------------------------------------------------------

test('keys and values of any bytes', async () => {
	const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
	for (const key of [every, Buffer.from([0]), Buffer.from('\r\n'), Buffer.from('schlüssel')]) {
		await r.set(key, every);
		check(await r.getBuffer(key), every);
		check(await r.keysBuffer('*'), [key]);
		check(await r.del(key), 1);
	}
});

test('a key of 100 KB and a value of 10 MB', async () => {
	const key = 'k'.repeat(102400);
	const value = Buffer.alloc(10 << 20, 'abc\0\r\n\xff', 'latin1');
	check(await r.set(key, value), 'OK');
	assert.ok(value.equals(await r.getBuffer(key)));
	check([await r.keys('*'), await r.del(key)], [[key], 1]);
});

test('a pipeline of 10,000', async () => {
	const pipeline = r.pipeline();
	for (let i = 0; i < 10000; i++) {
		if (i % 2) pipeline.get(`key${i - 1}`);
		else pipeline.set(`key${i}`, i);
	}
	check(await pipeline.exec(), Array.from({ length: 10000 }, (_, i) => [null, i % 2 ? String(i - 1) : 'OK']));
	check(await r.dbsize(), 5000);
});

test('errors within a pipeline concern one command', async () => {
	const results = await r.pipeline().set('key', 'text').incr('key').get('key').call('NOTHING').exec();
	check([results[0][1], results[1][0].message, results[2][1], results[3][0].message],
		['OK', 'ERR value is not an integer or out of range', 'text', "ERR unknown command 'NOTHING', with args beginning with: "]);
});

test('commands in flight on fifty connections', async () => {
	const clients = Array.from({ length: 50 }, () => connect());
	const answers = await Promise.all(clients.map((client, i) => client.set(`key${i}`, i).then(() => client.incr('n'))));
	check(answers.sort((a, b) => a - b), Array.from({ length: 50 }, (_, i) => i + 1));
	clients.forEach((client) => client.disconnect());
});

// ---- collections, waiting, messages ---------------------------------------------------------

test('hashes, lists, sets, sorted sets', async () => {
	check(await r.hset('h', { a: '1', b: 'text' }), 2);
	check(await r.hgetall('h'), { a: '1', b: 'text' });
	check([await r.hincrbyfloat('h', 'a', 0.5), await r.hmget('h', 'b', 'none'), await r.hdel('h', 'b')], ['1.5', ['text', null], 1]);
	check([await r.rpush('l', 'a', 'b', 'c'), await r.lrange('l', 0, -1), await r.lmove('l', 'm', 'LEFT', 'RIGHT')], [3, ['a', 'b', 'c'], 'a']);
	check([await r.sadd('s', 'a', 'b'), await r.sismember('s', 'a'), (await r.smembers('s')).sort()], [2, 1, ['a', 'b']]);
	check(await r.zadd('z', 1, 'a', 2.5, 'b'), 2);
	check([await r.zrange('z', 0, -1), String(await r.zscore('z', 'b')), await r.zrank('z', 'b')], [['a', 'b'], '2.5', 1]);
	await r.hset('many', Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`f${i}`, 'x'.repeat(50)])));
	const seen = new Set();
	for await (const found of r.hscanStream('many')) found.forEach((word, i) => { if (i % 2 === 0) seen.add(word); });
	check(seen.size, 1000);
	await rejects(r.get('h'), 'WRONGTYPE Operation against a key holding the wrong kind of value');
});

test('waiting for a list and for a sorted set', async () => {
	await withClient({}, async (waits) => {
		await waits.ping();
		const popped = waits.blpop('none', 'q', 30);
		await r.rpush('q', 'x');
		check(await popped, ['q', 'x']);
		const lowest = waits.bzpopmin('q', 30);
		await r.zadd('q', 1, 'a');
		check((await lowest).map(String), ['q', 'a', '1']);
		check(await waits.blpop('q', 0.05), null);
	});
});

test('messages', async () => {
	await withClient({}, async (ear) => {
		const heard = [];
		ear.on('message', (channel, message) => heard.push(`${channel} ${message}`));
		const all = new Promise((resolve) => ear.on('pmessage', (pattern, channel, message) => {
			heard.push(`${pattern} ${channel} ${message}`);
			if (message === 'last') resolve();
		}));
		check([await ear.subscribe('news'), await ear.psubscribe('n*')], [1, 2]);
		check(await r.publish('news', 'x'), 2);
		await r.multi().set('key', 'v').publish('news', 'last').exec();
		await all;
		check(heard, ['news x', 'n* news x', 'news last', 'n* news last']);
	});
});

test('goes on by itself after the server was restarted', async () => {
	await r.set('kept', 'value');
	const restarted = tap.restartServer();
	await new Promise((resolve) => r.once('close', resolve));
	// Waits in ioredis's queue until the server is back.
	const asked = r.get('kept');
	await restarted;
	check([await asked, await r.set('kept', 'again'), await r.get('kept')], ['value', 'OK', 'again']);
	check(fields(await r.client('INFO')).resp, String(protocol));
});

console.log(`# ioredis ${require('ioredis/package.json').version}, RESP${protocol}`);
tap.main(() => r.flushdb(), () => r.quit());
