# SPDX-License-Identifier: PostgreSQL
#
# 066_access.pl: what a role may do through both doors: every command and every function without the grant, as
# another tenant, on a standby and in a read-only transaction; rights that come and go under living sessions.
# With two workers.
#
# The lists come from the server: a command or a function that has no case here fails the test.
#
# Seen to fail: granted() that always returns true; kv_command_level() without KV_ADMIN, or without first_key;
# kv_access_everywhere() that is content with one database; granted() without KV_ELSEWHERE; permitted() that
# takes session->database within MULTI; command_ready() that does not ask kv_command_allowed() (the key stays locked);
# kv_auth_is_current() that is always true; auth_role_lives() that looks at nothing; kv_access_enter() that
# does nothing; a kv_tenant_use() that does nothing; FLUSHALL without KV_ADMIN; level_of_call() that takes COPY for what it
# is in one database; LSET as a command that only reads; CLIENT LIST, CLIENT UNBLOCK and SLOWLOG GET of all tenants; SCRIPT
# FLUSH of one tenant that forgets all; CONFIG RESETSTAT without KV_SERVER; CLIENT KILL USER that knows every role;
# kv.database_counts() that asks for no right, or for no tenant; begin_save() and refused_on_standby() that look for no
# standby; a HELLO that always says master.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstStore;
use PgfirstTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Logins of ten roles from one address, some of them refused on purpose, are not to wait.
my $node = pgfirst_node('access', workers => 2, streaming => 1,
	conf => "pgfirst.redis_auth_delay = 0\nmax_wal_senders = 4\nautovacuum = off\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub as
{
	my ($role, %options) = @_;

	return redis($options{node} // $node, user => $role, %options);
}

# The error of a statement as another role, '' if there is none.
sub sql_error
{
	my ($role, $statement, $where) = @_;
	my (undef, undef, $error) = ($where // $node)->psql('postgres', $statement, extra_params => [ '-U', $role ]);

	return $error;
}

sql("CREATE ROLE $_ LOGIN PASSWORD 'secret'") for qw(outsider nobody reader writer admin0 admin7 writer7);
sql("GRANT USAGE ON SCHEMA kv TO nobody, reader, writer, admin0, admin7, writer7");
sql(<<'SQL');
SELECT kv.revoke('public', NULL), kv.grant('reader', 0, 'read'), kv.grant('writer', 0, 'write'),
	kv.grant('admin0', 0, 'admin'), kv.grant('admin7', NULL, 'admin'), kv.grant('writer7', NULL, 'write'),
	kv.set_tenant('admin7', 7), kv.set_tenant('writer7', 7);
SQL
my $app = redis($node);

# ---- every command ---------------------------------------------------------------------------

# What it needs, and words with which it does what it does; 'k' is a key that is there. Needs are read and write in
# database 0, admin in all, server: the same of the default tenant, and none. Without words: the login's own.
my %cases = (
	'acl|cat' => ['none'], 'acl|deluser' => [ 'admin', 'x' ], 'acl|dryrun' => [ 'admin', 'reader', 'GET', 'k' ],
	'acl|genpass' => ['none'], 'acl|getuser' => [ 'admin', 'reader' ], 'acl|help' => ['none'], 'acl|list' => ['admin'],
	'acl|load' => ['admin'], 'acl|log' => ['admin'], 'acl|save' => ['admin'], 'acl|setuser' => [ 'admin', 'x' ],
	'acl|users' => ['admin'], 'acl|whoami' => ['none'],
	append => [ 'write', 'k', 'x' ], auth => [ 'none', 'secret' ], bgsave => ['server'], bitcount => [ 'read', 'k' ],
	bitop => [ 'write', 'NOT', 'k', 'k' ], bitpos => [ 'read', 'k', 1 ],
	'client|getname' => ['none'], 'client|getredir' => ['none'], 'client|help' => ['none'], 'client|id' => ['none'], 'client|info' => ['none'],
	'client|kill' => [ 'admin', 'ID', 123456789 ], 'client|list' => ['none'], 'client|no-evict' => [ 'none', 'ON' ],
	'client|no-touch' => [ 'none', 'ON' ], 'client|pause' => [ 'admin', 0, 'WRITE' ],
	'client|reply' => [ 'none', 'ON' ], 'client|setinfo' => [ 'none', 'LIB-NAME', 'x' ],
	'client|setname' => [ 'none', 'x' ], 'client|trackinginfo' => ['none'], 'client|unblock' => [ 'admin', 1 ],
	'client|unpause' => ['admin'],
	command => ['none'], 'command|help' => ['none'], 'command|count' => ['none'], 'command|docs' => [ 'none', 'get' ],
	'command|getkeys' => [ 'none', 'GET', 'k' ], 'command|getkeysandflags' => [ 'none', 'GET', 'k' ],
	'command|info' => [ 'none', 'get' ], 'command|list' => ['none'],
	'config|get' => [ 'none', 'port' ], 'config|help' => ['none'], 'config|resetstat' => ['server'], 'config|rewrite' => ['server'],
	'config|set' => [ 'server', 'hz', 10 ],
	copy => [ 'write', 'k', 'k2', 'REPLACE' ], dbsize => ['read'], decr => [ 'write', 'n' ], decrby => [ 'write', 'n', 2 ],
	del => [ 'write', 'k' ], eval => [ 'read', 'return redis.call("GET", KEYS[1])', 1, 'k' ],
	eval_ro => [ 'read', 'return redis.call("GET", KEYS[1])', 1, 'k' ], evalsha => [ 'read', '0' x 40, 0 ],
	evalsha_ro => [ 'read', '0' x 40, 0 ], discard => ['none'], echo => [ 'none', 'x' ], exec => ['none'], exists => [ 'read', 'k' ],
	expire => [ 'write', 'k', 1 ], expireat => [ 'write', 'k', 1 ], expiretime => [ 'read', 'k' ],
	flushall => ['admin'], flushdb => ['write'], get => [ 'read', 'k' ], getbit => [ 'read', 'k', 1 ],
	getdel => [ 'write', 'k' ], getex => [ 'write', 'k', 'PX', 1 ], getrange => [ 'read', 'k', 0, -1 ],
	getset => [ 'write', 'k', 'x' ], hello => [ 'none', 2 ], incr => [ 'write', 'n' ], incrby => [ 'write', 'n', 2 ],
	incrbyfloat => [ 'write', 'n', 2 ], info => ['none'], keys => [ 'read', '*' ], lastsave => ['none'],
	mget => [ 'read', 'k', 'n' ], move => [ 'write', 'k', 0 ], mset => [ 'write', 'k', 'x' ],
	msetnx => [ 'write', 'k', 'x' ], multi => ['none'],
	'object|encoding' => [ 'read', 'k' ], 'object|freq' => [ 'read', 'k' ], 'object|help' => ['none'],
	'object|idletime' => [ 'read', 'k' ], 'object|refcount' => [ 'read', 'k' ],
	persist => [ 'write', 'k' ], pexpire => [ 'write', 'k', 1 ], pexpireat => [ 'write', 'k', 1 ],
	pexpiretime => [ 'read', 'k' ], ping => ['none'], psetex => [ 'write', 'k', 1, 'x' ], pttl => [ 'read', 'k' ],
	quit => ['none'], randomkey => ['read'], rename => [ 'write', 'k', 'k2' ], renamenx => [ 'write', 'k', 'k2' ],
	reset => ['none'], save => ['server'], 'script|debug' => [ 'none', 'NO' ], 'script|exists' => [ 'read', '0' x 40 ],
	'script|flush' => ['admin'], 'script|help' => ['none'], 'script|kill' => ['read'], 'script|load' => [ 'read', 'return 1' ], scan => [ 'read', 0, 'COUNT', 1000 ], select => [ 'none', 1 ],
	set => [ 'write', 'k', 'x' ], setbit => [ 'write', 'k', 1, 1 ], setex => [ 'write', 'k', 1, 'x' ],
	setnx => [ 'write', 'k', 'x' ], setrange => [ 'write', 'k', 0, 'x' ], shutdown => ['server'],
	'slowlog|get' => ['admin'], 'slowlog|help' => ['none'], 'slowlog|len' => ['admin'], 'slowlog|reset' => ['admin'],
	strlen => [ 'read', 'k' ], substr => [ 'read', 'k', 0, -1 ], swapdb => [ 'server', 2, 3 ], time => ['none'], touch => [ 'read', 'k' ],
	ttl => [ 'read', 'k' ], type => [ 'read', 'k' ], unlink => [ 'write', 'k' ], unwatch => ['none'],
	wait => [ 'none', 0, 1 ], waitaof => [ 'none', 0, 0, 1 ], watch => [ 'read', 'k' ],

	hdel => [ 'write', 'h', 'f' ], hexists => [ 'read', 'h', 'f' ], hget => [ 'read', 'h', 'f' ], hgetall => [ 'read', 'h' ],
	hincrby => [ 'write', 'h', 'n', 1 ], hincrbyfloat => [ 'write', 'h', 'n', 0.5 ], hkeys => [ 'read', 'h' ],
	hlen => [ 'read', 'h' ], hmget => [ 'read', 'h', 'f', 'n' ], hmset => [ 'write', 'h', 'f', 'x' ],
	hrandfield => [ 'read', 'h', 2, 'WITHVALUES' ], hscan => [ 'read', 'h', 0 ], hset => [ 'write', 'h', 'f', 'x' ],
	hsetnx => [ 'write', 'h', 'f2', 'x' ], hstrlen => [ 'read', 'h', 'f' ], hvals => [ 'read', 'h' ],

	blmove => [ 'write', 'l', 'l2', 'LEFT', 'RIGHT', 0.01 ], blmpop => [ 'write', 0.01, 2, 'l2', 'l', 'LEFT' ],
	blpop => [ 'write', 'l2', 'l', 0.01 ], brpop => [ 'write', 'l2', 'l', 0.01 ], brpoplpush => [ 'write', 'l', 'l2', 0.01 ],
	lindex => [ 'read', 'l', 0 ], linsert => [ 'write', 'l', 'AFTER', 'treasure', 'x' ], llen => [ 'read', 'l' ],
	lmove => [ 'write', 'l', 'l2', 'LEFT', 'RIGHT' ], lmpop => [ 'write', 2, 'l2', 'l', 'LEFT' ], lpop => [ 'write', 'l' ],
	lpos => [ 'read', 'l', 'treasure' ], lpush => [ 'write', 'l', 'x' ], lpushx => [ 'write', 'l', 'x' ],
	lrange => [ 'read', 'l', 0, -1 ], lrem => [ 'write', 'l', 0, 'treasure' ], lset => [ 'write', 'l', 0, 'x' ],
	ltrim => [ 'write', 'l', 1, 1 ], rpop => [ 'write', 'l' ], rpoplpush => [ 'write', 'l', 'l2' ], rpush => [ 'write', 'l', 'x' ],
	rpushx => [ 'write', 'l', 'x' ],

	sadd => [ 'write', 's', 'x' ], scard => [ 'read', 's' ], sdiff => [ 'read', 's', 's2' ],
	sdiffstore => [ 'write', 's2', 's' ], sinter => [ 'read', 's', 's' ], sintercard => [ 'read', 1, 's' ],
	sinterstore => [ 'write', 's2', 's', 's' ], sismember => [ 'read', 's', 'treasure' ], smembers => [ 'read', 's' ],
	smismember => [ 'read', 's', 'treasure', 'x' ], smove => [ 'write', 's', 's2', 'treasure' ], spop => [ 'write', 's' ],
	srandmember => [ 'read', 's', 2 ], srem => [ 'write', 's', 'treasure' ], sscan => [ 'read', 's', 0 ],
	sunion => [ 'read', 's', 's2' ], sunionstore => [ 'write', 's2', 's' ],

	bzmpop => [ 'write', 0.01, 2, 'z2', 'z', 'MIN' ], bzpopmax => [ 'write', 'z2', 'z', 0.01 ], bzpopmin => [ 'write', 'z2', 'z', 0.01 ],
	zadd => [ 'write', 'z', 2, 'treasure' ], zcard => [ 'read', 'z' ], zcount => [ 'read', 'z', '-inf', '+inf' ],
	zincrby => [ 'write', 'z', 1, 'treasure' ], zlexcount => [ 'read', 'z', '-', '+' ], zmpop => [ 'write', 2, 'z2', 'z', 'MIN' ],
	zdiff => [ 'read', 2, 'z', 'z2' ], zdiffstore => [ 'write', 'z2', 2, 'z', 'z2' ], zinter => [ 'read', 2, 'z', 'z' ],
	zintercard => [ 'read', 2, 'z', 'z' ], zinterstore => [ 'write', 'z2', 2, 'z', 'z' ], zrandmember => [ 'read', 'z', 2 ],
	zrangestore => [ 'write', 'z2', 'z', 0, -1 ], zscan => [ 'read', 'z', 0 ], zunion => [ 'read', 2, 'z', 'z2' ],
	zunionstore => [ 'write', 'z2', 2, 'z', 'z2' ],
	zmscore => [ 'read', 'z', 'treasure' ], zpopmax => [ 'write', 'z' ], zpopmin => [ 'write', 'z' ],
	zrange => [ 'read', 'z', 0, -1, 'WITHSCORES' ], zrangebylex => [ 'read', 'z', '-', '+' ],
	zrangebyscore => [ 'read', 'z', '-inf', '+inf' ], zrank => [ 'read', 'z', 'treasure' ], zrem => [ 'write', 'z', 'treasure' ],
	zremrangebylex => [ 'write', 'z', '-', '+' ], zremrangebyrank => [ 'write', 'z', 0, -1 ],
	zremrangebyscore => [ 'write', 'z', '-inf', '+inf' ], zrevrange => [ 'read', 'z', 0, -1 ],
	zrevrangebylex => [ 'read', 'z', '+', '-' ], zrevrangebyscore => [ 'read', 'z', '+inf', '-inf' ],
	zrevrank => [ 'read', 'z', 'treasure' ], zscore => [ 'read', 'z', 'treasure' ],

	xadd => [ 'write', 'st', '*', 'f', 'v' ], xdel => [ 'write', 'st', '1-1' ], 'xinfo|help' => ['none'], 'xinfo|stream' => [ 'read', 'st' ],
	xlen => [ 'read', 'st' ], xrange => [ 'read', 'st', '-', '+' ], xread => [ 'read', 'COUNT', 1, 'STREAMS', 'st', 0 ],
	xrevrange => [ 'read', 'st', '+', '-' ], xsetid => [ 'write', 'st', '5-0' ], xtrim => [ 'write', 'st', 'MAXLEN', 1 ],

	psubscribe => [ 'none', 'c*' ], publish => [ 'none', 'c', 'x' ], 'pubsub|channels' => ['none'], 'pubsub|help' => ['none'],
	'pubsub|numpat' => ['none'], 'pubsub|numsub' => [ 'none', 'c' ], punsubscribe => ['none'], subscribe => [ 'none', 'c' ],
	unsubscribe => ['none'],
);

my @names = sort @{ $app->call('COMMAND', 'LIST') };
my %container = map { /^(.*)\|/ ? ($1 => 1) : () } @names;
$container{command} = 0;    # which is a command as well
my @commands = grep { !$container{$_} } @names;
is_deeply([ sort keys %cases ], \@commands, 'every command has a case here, and no other');

my %rank = (none => 0, read => 1, write => 2, admin => 3, server => 4);
my @roles = (
	[ outsider => 0 ], [ nobody => 0 ], [ reader => 1 ], [ writer => 2 ], [ admin0 => 2 ], [ admin7 => 3 ], [ app => 4 ]);

# As it is said to clients, without a login's own.
sub words
{
	my ($name, $case) = @_;
	my (undef, @arguments) = @$case;

	return (map({ uc } split /\|/, $name), @arguments);
}

sub prepare
{
	$app->call('MSET', 'k', 'treasure', 'n', 5);
	$app->call('PEXPIREAT', 'k', 33333333333333);
	$app->call('DEL', qw(k2 h l l2 s s2 st z z2));
	$app->call('HSET', 'h', 'f', 'treasure', 'n', 5);
	$app->call('RPUSH', 'l', 'treasure', 'x');
	$app->call('SADD', 's', 'treasure', 'x');
	$app->call('ZADD', 'z', 1, 'treasure', 1, 'x');
	$app->call('XADD', 'st', @$_) for [ '1-1', 'f', 'treasure' ], [ '2-1', 'f', 'x' ];
}

# A reply as one word.
sub said { return join ' ', map { ref $_ ? said(@$_) : $_ // 'nil' } @_; }

# All that prepare() has made, as one word.
sub held
{
	my ($client) = @_;
	my $all = ($client // $app)->call('EVAL', <<'LUA', 11, qw(k n h l s z st k2 l2 s2 z2));
local c, members, entries = redis.call, redis.call('SMEMBERS', KEYS[5]), {}
table.sort(members)
for i, entry in ipairs(c('XRANGE', KEYS[7], '-', '+')) do
	entries[i] = entry[1] .. table.concat(entry[2], ',')
end
return { c('GET', KEYS[1]), c('PEXPIRETIME', KEYS[1]), c('GET', KEYS[2]), table.concat(c('HGETALL', KEYS[3]), ','),
	table.concat(c('LRANGE', KEYS[4], 0, -1), ','), table.concat(members, ','),
	table.concat(c('ZRANGE', KEYS[6], 0, -1, 'WITHSCORES'), ','), table.concat(entries, ','),
	redis.pcall('XINFO', 'STREAM', KEYS[7])[8] or 'none', c('EXISTS', KEYS[8], KEYS[9], KEYS[10], KEYS[11]) }
LUA
	return join ' ', map { $_ // 'nil' } @$all;
}
my $held = 'treasure 33333333333333 5 f,treasure,n,5 treasure,x treasure,x treasure,1,x,1 1-1f,treasure,2-1f,x 2-1 0';

for my $name (grep { $cases{$_} } @commands)
{
	my $case = $cases{$name};
	my $needs = $rank{ $case->[0] };
	my @wrong;

	for (@roles)
	{
		my ($role, $rank) = @$_;
		prepare();
		my $client = as($role);
		my $reply = $client->call(words($name, $case));
		my $refused = defined $reply && !ref $reply
		  && $reply =~ /^-(EXECABORT .*: )?NOPERM User $role has no permissions to run the '\Q$name\E' command; /;
		# EXEC is about keys, so it stands behind the gate, but it needs no rights of its own.
		my $must = $needs > $rank || ($role eq 'outsider' && $name eq 'exec');
		push @wrong, "$role: " . said($reply) if !!$refused != !!$must;
		push @wrong, "$role has changed something" if $must && held() ne $held;
		$client->close;
	}
	is("@wrong", '', "$name needs $case->[0]");
}

# Of what touches no key, too; whatever else it has.
sql("SELECT kv.grant('outsider', NULL, 'admin')");
like(as('outsider')->call(@$_), qr/; GRANT USAGE ON SCHEMA kv gives them$/, "without USAGE nobody has rights: @$_")
  for [ 'SCRIPT', 'LOAD', 'return 1' ], [ 'SCRIPT', 'EXISTS', 'x' ], [ 'CLIENT', 'KILL', 'ID', 1 ];
is(as('outsider')->call('PING'), 'PONG', '… PING needs none');
sql("SELECT kv.revoke('outsider', NULL)");
like(as('outsider')->call('GET', 'k'), qr/; GRANT USAGE ON SCHEMA kv gives them$/, 'what mends it: USAGE');
like(as('reader')->call('SET', 'k', 1), qr/; kv\.grant\('reader', 0, 'write'\) gives them$/, '… a grant');
like(as('writer')->call('FLUSHALL'), qr/; kv\.grant\('writer', NULL, 'admin'\) gives them$/, '… one for all databases');
like(as('admin7')->call('CONFIG', 'SET', 'hz', 5), qr/; it concerns the tenants of the whole server$/, '… nothing');

# ---- as another tenant -----------------------------------------------------------------------

# All that the default tenant has is called treasure, and is what another tenant's commands are about: keys, clients, one that
# waits and one that listens, a script, a slow command, a role. They find nothing, tell nothing and change nothing.
my $app_id = $app->call('CLIENT', 'ID');
$app->call('CLIENT', 'SETNAME', 'treasure');
my ($address, $local_address) = $app->call('CLIENT', 'INFO') =~ / addr=(\S+) laddr=(\S+) /;
# Loaded in one worker and asked for in the other, which has not compiled it.
my $sha = redis_in_worker($node, 0)->call('SCRIPT', 'LOAD', "return 'treasure'");
my $elsewhere = redis_in_worker($node, 1);
$app->call('CONFIG', 'SET', 'slowlog-log-slower-than', 0);
$app->call('ECHO', 'treasure');
$app->call('CONFIG', 'SET', 'slowlog-log-slower-than', -1);
as('admin7')->call('SLOWLOG', 'RESET');
sql("CREATE ROLE treasurer LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA kv TO treasurer");
# A pause of one tenant holds nobody of another, who may have to log in first.
$app->call('CLIENT', 'PAUSE', 30_000, 'ALL');
my $began = time;
is(as('admin7')->call('ECHO', 'in'), 'in', 'in a pause of another tenant clients log in');
cmp_ok(time - $began, '<', 15, '… at once');
$app->call('CLIENT', 'UNPAUSE');
my $listens = as('treasurer');
$listens->call('SUBSCRIBE', 'treasure');
$listens->call('PSUBSCRIBE', 'treasure*');
my $waits = as('app');
my $waits_id = $waits->call('CLIENT', 'ID');
$waits->send('BLPOP', 'treasures', 0);
wait_until('a client waits', sub { $app->call('CLIENT', 'LIST', 'ID', $waits_id) =~ / flags=b /; });

# What each is answered, and the words that aim at the treasure, where those of the cases do not.
my %aims = (
	'acl|deluser' => [ [ qr/^-ERR ACL DELUSER is refused/, 'treasurer' ] ],
	'acl|dryrun' => [ [ qr/^-ERR User 'treasurer' not found$/, 'treasurer', 'GET', 'k' ] ],
	'acl|getuser' => [ [ qr/^nil$/, 'treasurer' ] ],
	'client|kill' => [
		[ qr/^0$/, 'ID', $app_id ], [ qr/^0$/, 'ID', $waits_id ], [ qr/^-ERR No such client$/, $address ], [ qr/^0$/, 'ADDR', $address ],
		[ qr/^\d+$/, 'LADDR', $local_address ], [ qr/^-ERR No such user 'treasurer'$/, 'USER', 'treasurer' ], [ qr/^0$/, 'USER', 'default' ],
		[ qr/^0$/, 'TYPE', 'pubsub' ], [ qr/^\d+$/, 'TYPE', 'normal' ], [ qr/^\d+$/, 'SKIPME', 'no' ] ],
	'client|list' => [ [ qr/ user=admin7 / ], [ qr/^$/, 'ID', $app_id, $waits_id ], [ qr/^$/, 'TYPE', 'pubsub' ] ],
	'client|pause' => [ [ qr/^OK$/, 60000, 'ALL' ] ],
	'client|unblock' => [ [ qr/^0$/, $waits_id ], [ qr/^0$/, $waits_id, 'ERROR' ] ],
	'config|get' => [ [ qr/\bmaxmemory\b/, '*' ] ],
	dbsize => [ [qr/^0$/] ],
	(map { $_ => [ [ qr/^-NOSCRIPT /, $sha, 0 ] ] } qw(evalsha evalsha_ro)),
	info => [ [ qr/\bpubsub_channels:0\b/, 'everything' ] ],
	(map { $_ => [ [ qr/^1$/, 'treasures', 'x' ] ] } qw(lpush rpush)),
	publish => [ [ qr/^0$/, 'treasure', 'x' ] ], 'pubsub|channels' => [ [qr/^$/] ], 'pubsub|numpat' => [ [qr/^0$/] ],
	'pubsub|numsub' => [ [ qr/^treasure 0$/, 'treasure' ] ],
	'script|exists' => [ [ qr/^0$/, $sha ] ], 'script|flush' => [ [qr/^OK$/] ],
	'slowlog|get' => [ [ qr/^$/, -1 ] ], 'slowlog|len' => [ [qr/^0$/] ], 'slowlog|reset' => [ [qr/^OK$/] ],
);

# All that there is of it.
sub own
{
	my ($waits_still) = $app->call('CLIENT', 'LIST', 'ID', $waits_id) =~ / flags=(\S+) /;

	return said(held(), $elsewhere->call('SCRIPT', 'EXISTS', $sha), map({ $app->call(@$_) } ['DBSIZE'], [ 'PUBSUB', 'NUMSUB', 'treasure' ],
			[ 'PUBSUB', 'NUMPAT' ], [ 'SLOWLOG', 'LEN' ]), $waits_still);
}

sub counted { return $app->call('INFO', 'stats') =~ /^total_commands_processed:(\d+)/m ? $1 : die; }

prepare();
my ($own, $counted) = (own(), counted());
for my $name (grep { $cases{$_} } @commands)
{
	my ($needs, @arguments) = @{ $cases{$name} };
	my @wrong;

	for my $aim (@{ $aims{$name} // [ [ qr/^/, @arguments ] ] })
	{
		my ($answer, @aimed) = @$aim;
		my @words = words($name, [ $needs, @aimed ]);
		prepare();
		my $client = as('admin7');
		$client->call('FLUSHALL');
		my $told = said($client->call(@words));
		$answer = qr/^-NOPERM User admin7 .*; it concerns the tenants of the whole server$/ if $needs eq 'server';
		push @wrong, "@words: $told" if $told !~ $answer;
		$client->close;
		as('admin7')->call('CLIENT', 'UNPAUSE') if $name eq 'client|pause';

		# What it was told itself it may say.
		$told =~ s/\Q$_\E//g for @aimed;
		push @wrong, "@words tells: $told" if $told =~ /treasure/;
		my $now = own();
		push @wrong, "@words changes: $now" if $now ne $own;
		my $count = counted();
		push @wrong, "@words resets" if $count <= $counted;
		# Each is blamed for its own.
		($own, $counted) = ($now, $count);
	}
	is(join("\n", @wrong), '', "as another tenant: $name");
}
is(($listens->outcome(0))[0], 'silent', '… and who listens has heard nothing');
$app->call('RPUSH', 'treasures', 'found');
is_deeply($waits->reply, [ 'treasures', 'found' ], '… and who waits gets what its own tenant sends');
$listens->close;
sql('REVOKE USAGE ON SCHEMA kv FROM treasurer; DROP ROLE treasurer');
$app->call('CONFIG', 'SET', 'slowlog-log-slower-than', 10000);
my $seven = as('admin7');
$seven->call('FLUSHALL');
is($seven->call('GET', 'k'), undef, 'the other tenant has no such key');
is_deeply($seven->call('KEYS', '*'), [], '… and KEYS none');

# ---- two databases ---------------------------------------------------------------------------

my $writer = as('writer');
prepare();
is($writer->call('COPY', 'k', 'k2'), 1, 'COPY within the database');
like($writer->call('COPY', 'k', 'k2', 'DB', 1), qr/^-NOPERM No permissions to access a key/, 'COPY into another database');
like($writer->call('MOVE', 'k', 1), qr/^-NOPERM No permissions to access a key/, 'MOVE too');
is($app->call('EXISTS', 'k'), 1, '… and nothing has moved');
$writer->call('SELECT', 1);
like($writer->call('GET', 'k'), qr/^-NOPERM User writer .*'get'/, 'another database is selected, and not read');
like($writer->call('COPY', 'k', 'k2', 'DB', 0), qr/^-NOPERM User writer .*'copy'/, '… COPY from there');
sql("SELECT kv.grant('writer', 1, 'read')");
is($writer->call('GET', 'k'), undef, 'it is granted, and read by the same session');
like($writer->call('SET', 'k', 1), qr/^-NOPERM .*kv\.grant\('writer', 1, 'write'\)/, '… and not written');
$app->call('SELECT', 1);
$app->call('SET', 'source', 's', 'EX', 1000);
is($writer->call('COPY', 'source', 'k3', 'DB', 0), 1, 'COPY from where it may only read to where it may write');
like($writer->call('COPY', 'source', 'k3'), qr/^-NOPERM User writer .*kv\.grant\('writer', 1, 'write'\)/, '… not within the former');
like($writer->call('COPY', 'source', 'k3', 'DB', 1), qr/^-NOPERM User writer .*'write'/, '… however that is said');
like($writer->call('MOVE', 'source', 0), qr/^-NOPERM User writer .*'write'/, '… nor MOVE, which takes it away');
is_deeply((exchange($writer, 'MULTI', 'COPY source k4 DB 0', 'EXEC'))[2], [1], 'COPY within EXEC');
is($writer->call('EVAL', 'return redis.call("COPY", KEYS[1], "k5", "DB", 0)', 1, 'source'), 1, '… and by a script');
is($app->call('GET', 'source'), 's', '… and the source is as it was');
$app->call('SELECT', 0);
is_deeply($app->call('MGET', 'k3', 'k4', 'k5'), [ ('s') x 3 ], '… and the copies are there');
$app->call('DEL', 'k3', 'k4', 'k5');
sql("SELECT kv.grant('writer', 1, 'write')");
is($writer->call('SET', 'k1', 1), 'OK', 'or both');
is($writer->call('MOVE', 'k1', 0), 1, '… then MOVE');
sql("SELECT kv.revoke('writer', 1)");
like($writer->call('GET', 'k'), qr/^-NOPERM /, 'and is taken away');
$writer->call('SELECT', 0);

# ---- transactions ----------------------------------------------------------------------------

sub exchange { my ($client, @lines) = @_; return map { $client->call(split / /) } @lines; }

is_deeply([ exchange(as('reader'), 'MULTI', 'GET k') ], [ 'OK', 'QUEUED' ], 'MULTI keeps what is allowed');
my @replies = exchange(as('reader'), 'MULTI', 'GET k', 'SET k x', 'EXEC');
like($replies[2], qr/^-NOPERM User reader /, 'and refuses what is not');
like($replies[3], qr/^-EXECABORT /, '… and EXEC all of it');
@replies = exchange($writer, 'MULTI', 'SET k x', 'FLUSHALL', 'EXEC');
like($replies[2], qr/^-NOPERM /, 'FLUSHALL in MULTI');
@replies = exchange($writer, 'MULTI', 'SET k x', 'MOVE k 1', 'EXEC');
like($replies[2], qr/^-NOPERM No permissions to access a key/, 'MOVE in MULTI');
@replies = exchange($writer, 'MULTI', 'SELECT 1', 'GET k', 'SELECT 0', 'GET k', 'EXEC');
like($replies[2], qr/^-NOPERM User writer/, 'a kept SELECT counts');
is($replies[4], 'QUEUED', '… and the next one');
$writer->call('SELECT', 1);
@replies = exchange($writer, 'MULTI', 'SELECT 0', 'SET k both', 'GET k', 'EXEC');
is_deeply($replies[4], [ 'OK', 'OK', 'both' ], 'a transaction that comes from a database without rights');
is($app->call('GET', 'k'), 'both', '… is carried out');

@replies = exchange($writer, 'SELECT 0', 'MULTI', 'SET k changed', 'GET k');
sql("SELECT kv.revoke('writer', 0, 'write')");
$app->call('SET', 'k', 'same');
my $reply = $writer->call('EXEC');
like($reply->[0], qr/^-NOPERM User writer .*'set'/, 'a right that goes between MULTI and EXEC is gone at EXEC');
is($reply->[1], 'same', '… and the rest is carried out');
sql("SELECT kv.grant('writer', 0, 'write')");

# What may not be run is not locked either.
my $holder = PgfirstStore::Session->new($node);
$holder->ask("BEGIN; SELECT kv.set('held', 'x')");
exchange($writer, 'MULTI', 'SET held 1', 'SET k 2');
sql("SELECT kv.revoke('writer', 0, 'write')");
$reply = $writer->call('EXEC');
like(join('', @$reply), qr/^(-NOPERM .*){2}$/, 'nor waited for');
$holder->ask('ROLLBACK');
sql("SELECT kv.grant('writer', 0, 'write')");

# ---- rights and sessions ---------------------------------------------------------------------

my $reader = as('reader');
prepare();
is($reader->call('GET', 'k'), 'treasure', 'a session that reads');
sql("REVOKE USAGE ON SCHEMA kv FROM reader");
like($reader->call('GET', 'k'), qr/^-NOPERM .*GRANT USAGE/, 'USAGE is taken away');
sql("GRANT USAGE ON SCHEMA kv TO reader");
is($reader->call('GET', 'k'), 'treasure', '… and given back');
sql("SELECT kv.revoke('reader', 0); CREATE ROLE readers; SELECT kv.grant('readers', 0, 'read')");
like($reader->call('GET', 'k'), qr/^-NOPERM /, 'the grant is taken away');
sql("GRANT readers TO reader");
is($reader->call('GET', 'k'), 'treasure', '… and comes by membership');
sql("REVOKE readers FROM reader; ALTER ROLE reader SUPERUSER");
is($reader->call('SET', 'k', 'treasure'), 'OK', 'a superuser may all');
is($reader->call('CONFIG', 'SET', 'hz', 10), 'OK', '… all');
sql("ALTER ROLE reader NOSUPERUSER; SELECT kv.grant('reader', 0, 'read')");
like($reader->call('SET', 'k', 'x'), qr/^-NOPERM /, '… until it is none');

for my $case (
	[ 'NOLOGIN', 'ALTER ROLE reader NOLOGIN', 'ALTER ROLE reader LOGIN' ],
	[ 'VALID UNTIL in the past', "ALTER ROLE reader VALID UNTIL '2001-01-01'", "ALTER ROLE reader VALID UNTIL 'infinity'" ],
	[ 'no CONNECT', 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC' ])
{
	my ($what, $take, $give) = @$case;
	my $client = as('reader');
	$client->call('SELECT', 1);
	$client->call('SELECT', 0);
	exchange(my $in_multi = as('reader'), 'MULTI', 'GET k');
	sql($take);
	is($client->call('PING'), '-NOAUTH Authentication required.', "$what: the next command is refused");
	like($in_multi->call('EXEC'), qr/^-EXECABORT .*NOAUTH/, '… EXEC too');
	like($client->call('AUTH', 'reader', 'secret'), qr/^-WRONGPASS /, '… and so is a login');
	sql($give);
	is($client->call('AUTH', 'reader', 'secret'), 'OK', '… until it is given back');
	is($client->call('GET', 'k'), 'treasure', '… for the same connection');
}
my $soon = as('reader');
sql("DO \$\$ BEGIN EXECUTE format('ALTER ROLE reader VALID UNTIL %L', clock_timestamp() + '2 seconds'); END \$\$");
is($soon->call('GET', 'k'), 'treasure', 'a role that expires soon');
wait_until('its expiry', sub { ($soon->call('GET', 'k') // '') eq '-NOAUTH Authentication required.'; }, 20);
pass('… has expired, and nobody has told');
sql("ALTER ROLE reader VALID UNTIL 'infinity' PASSWORD 'another'");
$soon = as('reader', password => 'another');
sql("ALTER ROLE reader PASSWORD 'secret'");
is($soon->call('GET', 'k'), 'treasure', 'a changed password ends no session, as in Redis');
sql("CREATE ROLE dropped LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA kv TO dropped; SELECT kv.grant('dropped', 0, 'read')");
my $dropped = as('dropped');
is($dropped->call('GET', 'k'), 'treasure', 'a role');
sql("REVOKE USAGE ON SCHEMA kv FROM dropped; DROP ROLE dropped");
is($dropped->call('ECHO', 'x'), '-NOAUTH Authentication required.', '… is dropped');

# A lock on the table of rights delays those who need it, for a bounded time, and no one else.
$node->append_conf('postgresql.conf', "pgfirst.redis_lock_timeout = '1s'");
$node->reload;
wait_until('the limit', sub { sql('SHOW pgfirst.redis_lock_timeout') eq '1s' });
my $known = as('writer');
is($known->call('GET', 'k'), 'treasure', 'who is known');
$holder->ask("BEGIN; LOCK TABLE kv.access IN ACCESS EXCLUSIVE MODE");
is($known->call('GET', 'k'), 'treasure', '… needs the table of rights no more');
$holder->ask('ROLLBACK');
sql("SELECT kv.grant('reader', 0, 'read')");
$holder->ask("BEGIN; LOCK TABLE kv.access IN ACCESS EXCLUSIVE MODE");
like($known->call('GET', 'k'), qr/^-ERR the list of rights is locked /, '… but when it has changed, and is told when it is locked');
is($known->call('PING'), 'PONG', '… and goes on without rights');
$holder->ask('ROLLBACK');
is($known->call('GET', 'k'), 'treasure', '… and then with them');

# ---- ACL -------------------------------------------------------------------------------------

is(as('reader')->call('ACL', 'WHOAMI'), 'reader', 'ACL WHOAMI');
is($app->call('ACL', 'WHOAMI'), 'app', '… of the default role');
is_deeply([ sort @{ $app->call('ACL', 'USERS') } ], [qw(admin0 app nobody postgres reader writer)],
	'ACL USERS: who may log in and has USAGE, of this tenant');
is_deeply([ sort @{ $seven->call('ACL', 'USERS') } ], [qw(admin7 writer7)], '… and of the other');
is_deeply([ sort @{ $app->call('ACL', 'LIST') } ], [
	'user admin0 on sanitize-payload ~* &* -@all +@read +@write +@connection',
	'user app on sanitize-payload ~* &* +@all', 'user nobody on sanitize-payload ~* &* -@all +@connection',
	'user postgres on sanitize-payload ~* &* +@all', 'user reader on sanitize-payload ~* &* -@all +@read +@connection',
	'user writer on sanitize-payload ~* &* -@all +@read +@write +@connection' ], 'ACL LIST');
my @user = ('flags', [ 'on', 'sanitize-payload' ], 'passwords', [], 'commands', '-@all +@read +@connection',
	'keys', '~*', 'channels', '&*', 'selectors', []);
is_deeply($app->call('ACL', 'GETUSER', 'reader'), \@user, 'ACL GETUSER');
is($app->call('ACL', 'GETUSER', 'outsider'), undef, '… of who has no USAGE');
is($app->call('ACL', 'GETUSER', 'admin7'), undef, '… of another tenant');
is($app->call('ACL', 'GETUSER', 'nowhere'), undef, '… of nobody');
my $resp3 = redis($node);
$resp3->call('HELLO', 3);
$resp3->send('ACL', 'GETUSER', 'reader');
is_deeply($resp3->reply, \@user, '… in RESP3');
is_deeply($app->call('ACL', 'CAT', 'transaction'), [qw(discard exec multi unwatch watch)], 'ACL CAT of a category');
ok((grep { $_ eq 'keyspace' } @{ $app->call('ACL', 'CAT') }), 'ACL CAT');
like($app->call('ACL', 'CAT', 'nosuch'), qr/^-ERR Unknown category 'nosuch'/, '… of none');
is($app->call('ACL', 'DRYRUN', 'reader', 'GET', 'k'), 'OK', 'ACL DRYRUN');
is($app->call('ACL', 'DRYRUN', 'reader', 'SET', 'k', 'v'), "User reader has no permissions to run the 'set' command", '… that is refused');
is($app->call('ACL', 'DRYRUN', 'app', 'CONFIG', 'SET', 'hz', 1), 'OK', '… of a subcommand');
like($app->call('ACL', 'DRYRUN', 'nowhere', 'GET', 'k'), qr/^-ERR User 'nowhere' not found/, '… of nobody');
like($app->call('ACL', 'DRYRUN', 'reader', 'NOSUCH'), qr/^-ERR Command 'NOSUCH' not found/, '… of no command');
my %passwords = map { $app->call('ACL', 'GENPASS') => 1 } 1 .. 20;
is(scalar(grep { /^[0-9a-f]{64}$/ } keys %passwords), 20, 'ACL GENPASS');
is(length $app->call('ACL', 'GENPASS', 5), 2, '… of five bits');
like($app->call('ACL', 'GENPASS', $_), qr/^-ERR ACL GENPASS argument must be/, "… of $_") for 0, -1, 4097, 'x';
like($app->call('ACL', 'SETUSER', 'x', 'on'), qr/CREATE ROLE.*kv\.grant/, 'ACL SETUSER says what to do instead');
like($app->call('ACL', 'DELUSER', 'x'), qr/DROP ROLE/, 'ACL DELUSER too');

# ---- every function --------------------------------------------------------------------------

# Of each that the extension has: what it needs (execute: that an administrator may call it; trigger: that PostgreSQL does),
# a call, and whether it is refused where nothing can be changed.
my %functions = (
	'catalog_changed()' => [ 'trigger', 'kv.catalog_changed()', 1 ],
	'access_check(integer,text)' => [ 'execute', "kv.access_check(0, 'read')", 1 ],
	'access_role(text)' => [ 'execute', "kv.access_role('app')", 0 ],
	'"check"(integer,boolean)' => [ 'execute', 'kv.check()', 0 ],
	'configure(integer,bigint,text,text)' => [ 'execute', 'kv.configure(3, max_size => 5000000000)', 1 ],
	'configure(integer,text,text,text)' => [ 'execute', "kv.configure(0, eviction => 'noeviction')", 1 ],
	'create_database(integer,text)' => [ 'execute', 'kv.create_database(9)', 1 ],
	'create_store(text,text,boolean)' => [ 'execute', "kv.create_store('kv', 'x', true)", 1 ],
	'database_counts(integer)' => [ 'none', 'kv.database_counts(0)', 0 ],
	'del(bytea,integer)' => [ 'write', "kv.del('k'::bytea)", 1 ],
	'del(text,integer)' => [ 'write', "kv.del('k')", 1 ],
	'get(bytea,integer)' => [ 'read', "kv.get('k'::bytea)", 0 ],
	'get(text,integer)' => [ 'read', "kv.get('k')", 0 ],
	'get_text(bytea,integer)' => [ 'read', "kv.get_text('k'::bytea)", 0 ],
	'get_text(text,integer)' => [ 'read', "kv.get_text('k')", 0 ],
	'drop_database(integer)' => [ 'execute', 'kv.drop_database(3)', 1 ],
	'"grant"(text,integer,text)' => [ 'execute', "kv.grant('reader', 0, 'read')", 1 ],
	'live_keys()' => [ 'rows', 'kv.live_keys()', 0 ],
	'may(integer,text)' => [ 'none', 'kv.may(0)', 0 ],
	'revoke(text,integer,text)' => [ 'execute', "kv.revoke('reader', 5)", 1 ],
	'set(bytea,bytea,interval,integer,boolean,boolean,boolean)' => [ 'write', "kv.set('k'::bytea, 'x'::bytea)", 1 ],
	'set(text,bytea,interval,integer,boolean,boolean,boolean)' => [ 'write', "kv.set('k'::text, 'x'::bytea)", 1 ],
	'set(text,text,interval,integer,boolean,boolean,boolean)' => [ 'write', "kv.set('k', 'x'::text)", 1 ],
	'set_tenant(text,integer)' => [ 'execute', "kv.set_tenant('reader', 0)", 1 ],
	'store_space()' => [ 'execute', 'kv.store_space()', 0 ],
	'swap_databases(integer,integer)' => [ 'execute', 'kv.swap_databases(2, 3)', 1 ],
	'tenant()' => [ 'none', 'kv.tenant()', 0 ],
	'append(bytea,bytea,integer)' => [ 'write', "kv.append('k'::bytea, 'x'::bytea)", 1 ],
	'append(text,bytea,integer)' => [ 'write', "kv.append('k'::text, 'x'::bytea)", 1 ],
	'append(text,text,integer)' => [ 'write', "kv.append('k'::text, 'x'::text)", 1 ],
	'copy(bytea,bytea,integer,integer,boolean)' => [ 'write', "kv.copy('k'::bytea, 'k2')", 1 ],
	'copy(text,text,integer,integer,boolean)' => [ 'write', "kv.copy('k'::text, 'k2')", 1 ],
	'decr(bytea,integer)' => [ 'write', "kv.decr('n'::bytea)", 1 ],
	'decr(text,integer)' => [ 'write', "kv.decr('n'::text)", 1 ],
	'decrby(bytea,bigint,integer)' => [ 'write', "kv.decrby('n'::bytea, 2)", 1 ],
	'decrby(text,bigint,integer)' => [ 'write', "kv.decrby('n'::text, 2)", 1 ],
	'"exists"(bytea,integer)' => [ 'read', "kv.exists('k'::bytea)", 0 ],
	'"exists"(text,integer)' => [ 'read', "kv.exists('k'::text)", 0 ],
	'expire(bytea,interval,integer,boolean,boolean,boolean,boolean)' => [ 'write', "kv.expire('k'::bytea, '1 second')", 1 ],
	'expire(text,interval,integer,boolean,boolean,boolean,boolean)' => [ 'write', "kv.expire('k'::text, '1 second')", 1 ],
	'expireat(bytea,timestamp with time zone,integer,boolean,boolean,boolean,boolean)' => [ 'write', "kv.expireat('k'::bytea, 'infinity')", 1 ],
	'expireat(text,timestamp with time zone,integer,boolean,boolean,boolean,boolean)' => [ 'write', "kv.expireat('k'::text, 'infinity')", 1 ],
	'expiretime(bytea,integer)' => [ 'read', "kv.expiretime('k'::bytea)", 0 ],
	'expiretime(text,integer)' => [ 'read', "kv.expiretime('k'::text)", 0 ],
	'getdel(bytea,integer)' => [ 'write', "kv.getdel('k'::bytea)", 1 ],
	'getdel(text,integer)' => [ 'write', "kv.getdel('k'::text)", 1 ],
	'getex(bytea,interval,integer,boolean)' => [ 'write', "kv.getex('k'::bytea, '1 second')", 1 ],
	'getex(text,interval,integer,boolean)' => [ 'write', "kv.getex('k'::text, '1 second')", 1 ],
	'getrange(bytea,bigint,bigint,integer)' => [ 'read', "kv.getrange('k'::bytea, 0, -1)", 0 ],
	'getrange(text,bigint,bigint,integer)' => [ 'read', "kv.getrange('k'::text, 0, -1)", 0 ],
	'getset(bytea,bytea,integer)' => [ 'write', "kv.getset('k'::bytea, 'x'::bytea)", 1 ],
	'getset(text,bytea,integer)' => [ 'write', "kv.getset('k'::text, 'x'::bytea)", 1 ],
	'getset(text,text,integer)' => [ 'write', "kv.getset('k'::text, 'x'::text)", 1 ],
	'incr(bytea,integer)' => [ 'write', "kv.incr('n'::bytea)", 1 ],
	'incr(text,integer)' => [ 'write', "kv.incr('n'::text)", 1 ],
	'incrby(bytea,bigint,integer)' => [ 'write', "kv.incrby('n'::bytea, 2)", 1 ],
	'incrby(text,bigint,integer)' => [ 'write', "kv.incrby('n'::text, 2)", 1 ],
	'incrbyfloat(bytea,double precision,integer)' => [ 'write', "kv.incrbyfloat('n'::bytea, 0.5)", 1 ],
	'incrbyfloat(text,double precision,integer)' => [ 'write', "kv.incrbyfloat('n'::text, 0.5)", 1 ],
	'mget(bytea[],integer)' => [ 'read', "kv.mget('{k,n}'::bytea[])", 0 ],
	'mget(text[],integer)' => [ 'read', "kv.mget('{k,n}'::text[])", 0 ],
	'move(bytea,integer,integer)' => [ 'write', "kv.move('k'::bytea, 1)", 1 ],
	'move(text,integer,integer)' => [ 'write', "kv.move('k'::text, 1)", 1 ],
	'persist(bytea,integer)' => [ 'write', "kv.persist('k'::bytea)", 1 ],
	'persist(text,integer)' => [ 'write', "kv.persist('k'::text)", 1 ],
	'rename(bytea,bytea,integer)' => [ 'write', "kv.rename('k'::bytea, 'k2')", 1 ],
	'rename(text,text,integer)' => [ 'write', "kv.rename('k'::text, 'k2')", 1 ],
	'renamenx(bytea,bytea,integer)' => [ 'write', "kv.renamenx('k'::bytea, 'k2')", 1 ],
	'renamenx(text,text,integer)' => [ 'write', "kv.renamenx('k'::text, 'k2')", 1 ],
	'setrange(bytea,bigint,bytea,integer)' => [ 'write', "kv.setrange('k'::bytea, 1, 'x'::bytea)", 1 ],
	'setrange(text,bigint,bytea,integer)' => [ 'write', "kv.setrange('k'::text, 1, 'x'::bytea)", 1 ],
	'setrange(text,bigint,text,integer)' => [ 'write', "kv.setrange('k'::text, 1, 'x'::text)", 1 ],
	'string_of(bytea,integer)' => [ 'read', "kv.string_of('k', 0)", 0 ],
	'strlen(bytea,integer)' => [ 'read', "kv.strlen('k'::bytea)", 0 ],
	'strlen(text,integer)' => [ 'read', "kv.strlen('k'::text)", 0 ],
	'ttl(bytea,integer)' => [ 'read', "kv.ttl('k'::bytea)", 0 ],
	'ttl(text,integer)' => [ 'read', "kv.ttl('k'::text)", 0 ],
	'type(bytea,integer)' => [ 'read', "kv.type('k'::bytea)", 0 ],
	'type(text,integer)' => [ 'read', "kv.type('k'::text)", 0 ],
	'hash_of(bytea,integer)' => [ 'read', "kv.hash_of('h', 0)", 0 ],
	'hdel(bytea,bytea,integer)' => [ 'write', "kv.hdel('h'::bytea, 'f'::bytea)", 1 ],
	'hdel(bytea,bytea[],integer)' => [ 'write', "kv.hdel('h'::bytea, '{f}'::bytea[])", 1 ],
	'hdel(text,text,integer)' => [ 'write', "kv.hdel('h'::text, 'f'::text)", 1 ],
	'hdel(text,text[],integer)' => [ 'write', "kv.hdel('h'::text, '{f}'::text[])", 1 ],
	'hexists(bytea,bytea,integer)' => [ 'read', "kv.hexists('h'::bytea, 'f'::bytea)", 0 ],
	'hexists(text,text,integer)' => [ 'read', "kv.hexists('h'::text, 'f'::text)", 0 ],
	'hget(bytea,bytea,integer)' => [ 'read', "kv.hget('h'::bytea, 'f'::bytea)", 0 ],
	'hget(text,text,integer)' => [ 'read', "kv.hget('h'::text, 'f'::text)", 0 ],
	'hgetall(bytea,integer)' => [ 'read', "kv.hgetall('h'::bytea)", 0 ],
	'hgetall(text,integer)' => [ 'read', "kv.hgetall('h'::text)", 0 ],
	'hincrby(bytea,bytea,bigint,integer)' => [ 'write', "kv.hincrby('h'::bytea, 'n'::bytea, 1)", 1 ],
	'hincrby(text,text,bigint,integer)' => [ 'write', "kv.hincrby('h'::text, 'n'::text, 1)", 1 ],
	'hincrbyfloat(bytea,bytea,double precision,integer)' => [ 'write', "kv.hincrbyfloat('h'::bytea, 'n'::bytea, 1)", 1 ],
	'hincrbyfloat(text,text,double precision,integer)' => [ 'write', "kv.hincrbyfloat('h'::text, 'n'::text, 1)", 1 ],
	'hlen(bytea,integer)' => [ 'read', "kv.hlen('h'::bytea)", 0 ],
	'hlen(text,integer)' => [ 'read', "kv.hlen('h'::text)", 0 ],
	'hmget(bytea,bytea[],integer)' => [ 'read', "kv.hmget('h'::bytea, '{f}'::bytea[])", 0 ],
	'hmget(text,text[],integer)' => [ 'read', "kv.hmget('h'::text, '{f}'::text[])", 0 ],
	'hset(bytea,bytea,bytea,integer)' => [ 'write', "kv.hset('h'::bytea, 'f'::bytea, 'x'::bytea)", 1 ],
	'hset(bytea,bytea[],bytea[],integer)' => [ 'write', "kv.hset('h'::bytea, '{f}'::bytea[], '{x}'::bytea[])", 1 ],
	'hset(text,text,bytea,integer)' => [ 'write', "kv.hset('h'::text, 'f'::text, 'x'::bytea)", 1 ],
	'hset(text,text,text,integer)' => [ 'write', "kv.hset('h'::text, 'f'::text, 'x'::text)", 1 ],
	'hset(text,text[],bytea[],integer)' => [ 'write', "kv.hset('h'::text, '{f}'::text[], '{x}'::bytea[])", 1 ],
	'hset(text,text[],text[],integer)' => [ 'write', "kv.hset('h'::text, '{f}'::text[], '{x}'::text[])", 1 ],
	'hsetnx(bytea,bytea,bytea,integer)' => [ 'write', "kv.hsetnx('h'::bytea, 'f'::bytea, 'x'::bytea)", 1 ],
	'hsetnx(text,text,bytea,integer)' => [ 'write', "kv.hsetnx('h'::text, 'f'::text, 'x'::bytea)", 1 ],
	'hsetnx(text,text,text,integer)' => [ 'write', "kv.hsetnx('h'::text, 'f'::text, 'x'::text)", 1 ],
	'lindex(bytea,bigint,integer)' => [ 'read', "kv.lindex('l'::bytea, 0)", 0 ],
	'lindex(text,bigint,integer)' => [ 'read', "kv.lindex('l'::text, 0)", 0 ],
	'linsert(bytea,text,bytea,bytea,integer)' => [ 'write', "kv.linsert('l'::bytea, 'BEFORE', 'x'::bytea, 'y')", 1 ],
	'linsert(text,text,bytea,bytea,integer)' => [ 'write', "kv.linsert('l'::text, 'BEFORE', 'x'::bytea, 'y')", 1 ],
	'linsert(text,text,text,text,integer)' => [ 'write', "kv.linsert('l'::text, 'BEFORE', 'x'::text, 'y')", 1 ],
	'list_of(bytea,integer)' => [ 'read', "kv.list_of('l', 0)", 0 ],
	'llen(bytea,integer)' => [ 'read', "kv.llen('l'::bytea)", 0 ],
	'llen(text,integer)' => [ 'read', "kv.llen('l'::text)", 0 ],
	'lmove(bytea,bytea,text,text,integer)' => [ 'write', "kv.lmove('l'::bytea, 'l2'::bytea, 'LEFT', 'LEFT')", 1 ],
	'lmove(text,text,text,text,integer)' => [ 'write', "kv.lmove('l'::text, 'l2'::text, 'LEFT', 'LEFT')", 1 ],
	'lmpop(bytea[],text,integer,bigint)' => [ 'write', "kv.lmpop('{l}'::bytea[], 'LEFT')", 1 ],
	'lmpop(text[],text,integer,bigint)' => [ 'write', "kv.lmpop('{l}'::text[], 'LEFT')", 1 ],
	'lpop(bytea,integer)' => [ 'write', "kv.lpop('l'::bytea)", 1 ],
	'lpop(text,integer)' => [ 'write', "kv.lpop('l'::text)", 1 ],
	'lpush(bytea,bytea,integer)' => [ 'write', "kv.lpush('l'::bytea, 'x'::bytea)", 1 ],
	'lpush(bytea,bytea[],integer)' => [ 'write', "kv.lpush('l'::bytea, '{x}'::bytea[])", 1 ],
	'lpush(text,bytea,integer)' => [ 'write', "kv.lpush('l'::text, 'x'::bytea)", 1 ],
	'lpush(text,bytea[],integer)' => [ 'write', "kv.lpush('l'::text, '{x}'::bytea[])", 1 ],
	'lpush(text,text,integer)' => [ 'write', "kv.lpush('l'::text, 'x'::text)", 1 ],
	'lpush(text,text[],integer)' => [ 'write', "kv.lpush('l'::text, '{x}'::text[])", 1 ],
	'lpushx(bytea,bytea,integer)' => [ 'write', "kv.lpushx('l'::bytea, 'x'::bytea)", 1 ],
	'lpushx(bytea,bytea[],integer)' => [ 'write', "kv.lpushx('l'::bytea, '{x}'::bytea[])", 1 ],
	'lpushx(text,bytea,integer)' => [ 'write', "kv.lpushx('l'::text, 'x'::bytea)", 1 ],
	'lpushx(text,bytea[],integer)' => [ 'write', "kv.lpushx('l'::text, '{x}'::bytea[])", 1 ],
	'lpushx(text,text,integer)' => [ 'write', "kv.lpushx('l'::text, 'x'::text)", 1 ],
	'lpushx(text,text[],integer)' => [ 'write', "kv.lpushx('l'::text, '{x}'::text[])", 1 ],
	'lrange(bytea,bigint,bigint,integer)' => [ 'read', "kv.lrange('l'::bytea, 0, -1)", 0 ],
	'lrange(text,bigint,bigint,integer)' => [ 'read', "kv.lrange('l'::text, 0, -1)", 0 ],
	'lrem(bytea,bigint,bytea,integer)' => [ 'write', "kv.lrem('l'::bytea, 0, 'treasure'::bytea)", 1 ],
	'lrem(text,bigint,bytea,integer)' => [ 'write', "kv.lrem('l'::text, 0, 'treasure'::bytea)", 1 ],
	'lrem(text,bigint,text,integer)' => [ 'write', "kv.lrem('l'::text, 0, 'treasure'::text)", 1 ],
	'lset(bytea,bigint,bytea,integer)' => [ 'write', "kv.lset('l'::bytea, 0, 'x'::bytea)", 1 ],
	'lset(text,bigint,bytea,integer)' => [ 'write', "kv.lset('l'::text, 0, 'x'::bytea)", 1 ],
	'lset(text,bigint,text,integer)' => [ 'write', "kv.lset('l'::text, 0, 'x'::text)", 1 ],
	'ltrim(bytea,bigint,bigint,integer)' => [ 'write', "kv.ltrim('l'::bytea, 1, 0)", 1 ],
	'ltrim(text,bigint,bigint,integer)' => [ 'write', "kv.ltrim('l'::text, 1, 0)", 1 ],
	'publish(bytea,bytea)' => [ 'none', "kv.publish('c'::bytea, 'x'::bytea)", 0 ],
	'publish(text,bytea)' => [ 'none', "kv.publish('c'::text, 'x'::bytea)", 0 ],
	'publish(text,text)' => [ 'none', "kv.publish('c'::text, 'x'::text)", 0 ],
	'rpop(bytea,integer)' => [ 'write', "kv.rpop('l'::bytea)", 1 ],
	'rpop(text,integer)' => [ 'write', "kv.rpop('l'::text)", 1 ],
	'rpush(bytea,bytea,integer)' => [ 'write', "kv.rpush('l'::bytea, 'x'::bytea)", 1 ],
	'rpush(bytea,bytea[],integer)' => [ 'write', "kv.rpush('l'::bytea, '{x}'::bytea[])", 1 ],
	'rpush(text,bytea,integer)' => [ 'write', "kv.rpush('l'::text, 'x'::bytea)", 1 ],
	'rpush(text,bytea[],integer)' => [ 'write', "kv.rpush('l'::text, '{x}'::bytea[])", 1 ],
	'rpush(text,text,integer)' => [ 'write', "kv.rpush('l'::text, 'x'::text)", 1 ],
	'rpush(text,text[],integer)' => [ 'write', "kv.rpush('l'::text, '{x}'::text[])", 1 ],
	'rpushx(bytea,bytea,integer)' => [ 'write', "kv.rpushx('l'::bytea, 'x'::bytea)", 1 ],
	'rpushx(bytea,bytea[],integer)' => [ 'write', "kv.rpushx('l'::bytea, '{x}'::bytea[])", 1 ],
	'rpushx(text,bytea,integer)' => [ 'write', "kv.rpushx('l'::text, 'x'::bytea)", 1 ],
	'rpushx(text,bytea[],integer)' => [ 'write', "kv.rpushx('l'::text, '{x}'::bytea[])", 1 ],
	'rpushx(text,text,integer)' => [ 'write', "kv.rpushx('l'::text, 'x'::text)", 1 ],
	'rpushx(text,text[],integer)' => [ 'write', "kv.rpushx('l'::text, '{x}'::text[])", 1 ],
	'sadd(bytea,bytea,integer)' => [ 'write', "kv.sadd('s'::bytea, 'x'::bytea)", 1 ],
	'sadd(bytea,bytea[],integer)' => [ 'write', "kv.sadd('s'::bytea, '{x}'::bytea[])", 1 ],
	'sadd(text,text,integer)' => [ 'write', "kv.sadd('s'::text, 'x'::text)", 1 ],
	'sadd(text,text[],integer)' => [ 'write', "kv.sadd('s'::text, '{x}'::text[])", 1 ],
	'scard(bytea,integer)' => [ 'read', "kv.scard('s'::bytea)", 0 ],
	'scard(text,integer)' => [ 'read', "kv.scard('s'::text)", 0 ],
	'sdiff(bytea[],integer)' => [ 'read', "kv.sdiff('{s}'::bytea[])", 0 ],
	'sdiff(text[],integer)' => [ 'read', "kv.sdiff('{s}'::text[])", 0 ],
	'set_of(bytea,integer)' => [ 'read', "kv.set_of('s', 0)", 0 ],
	'sinter(bytea[],integer)' => [ 'read', "kv.sinter('{s}'::bytea[])", 0 ],
	'sinter(text[],integer)' => [ 'read', "kv.sinter('{s}'::text[])", 0 ],
	'sismember(bytea,bytea,integer)' => [ 'read', "kv.sismember('s'::bytea, 'treasure'::bytea)", 0 ],
	'sismember(text,text,integer)' => [ 'read', "kv.sismember('s'::text, 'treasure'::text)", 0 ],
	'smembers(bytea,integer)' => [ 'read', "kv.smembers('s'::bytea)", 0 ],
	'smembers(text,integer)' => [ 'read', "kv.smembers('s'::text)", 0 ],
	'smismember(bytea,bytea[],integer)' => [ 'read', "kv.smismember('s'::bytea, '{treasure}'::bytea[])", 0 ],
	'smismember(text,text[],integer)' => [ 'read', "kv.smismember('s'::text, '{treasure}'::text[])", 0 ],
	'smove(bytea,bytea,bytea,integer)' => [ 'write', "kv.smove('s'::bytea, 's2', 'treasure')", 1 ],
	'smove(text,text,text,integer)' => [ 'write', "kv.smove('s'::text, 's2', 'treasure')", 1 ],
	'spop(bytea,integer)' => [ 'write', "kv.spop('s'::bytea)", 1 ],
	'spop(text,integer)' => [ 'write', "kv.spop('s'::text)", 1 ],
	'srandmember(bytea,integer,bigint)' => [ 'read', "kv.srandmember('s'::bytea)", 0 ],
	'srandmember(text,integer,bigint)' => [ 'read', "kv.srandmember('s'::text)", 0 ],
	'srem(bytea,bytea,integer)' => [ 'write', "kv.srem('s'::bytea, 'treasure'::bytea)", 1 ],
	'srem(bytea,bytea[],integer)' => [ 'write', "kv.srem('s'::bytea, '{treasure}'::bytea[])", 1 ],
	'srem(text,text,integer)' => [ 'write', "kv.srem('s'::text, 'treasure'::text)", 1 ],
	'srem(text,text[],integer)' => [ 'write', "kv.srem('s'::text, '{treasure}'::text[])", 1 ],
	'sunion(bytea[],integer)' => [ 'read', "kv.sunion('{s}'::bytea[])", 0 ],
	'sunion(text[],integer)' => [ 'read', "kv.sunion('{s}'::text[])", 0 ],
	'zadd(bytea,bytea,double precision,integer,boolean,boolean,boolean,boolean,boolean)' => [ 'write', "kv.zadd('z'::bytea, 'x'::bytea, 1)", 1 ],
	'zadd(bytea,bytea[],double precision[],integer,boolean,boolean,boolean,boolean,boolean)' => [ 'write', "kv.zadd('z'::bytea, '{x}'::bytea[], '{1}'::float8[])", 1 ],
	'zadd(text,text,double precision,integer,boolean,boolean,boolean,boolean,boolean)' => [ 'write', "kv.zadd('z'::text, 'x'::text, 1)", 1 ],
	'zadd(text,text[],double precision[],integer,boolean,boolean,boolean,boolean,boolean)' => [ 'write', "kv.zadd('z'::text, '{x}'::text[], '{1}'::float8[])", 1 ],
	'zcard(bytea,integer)' => [ 'read', "kv.zcard('z'::bytea)", 0 ],
	'zcard(text,integer)' => [ 'read', "kv.zcard('z'::text)", 0 ],
	'zcount(bytea,double precision,double precision,integer,boolean,boolean)' => [ 'read', "kv.zcount('z'::bytea, 0, 9)", 0 ],
	'zcount(text,double precision,double precision,integer,boolean,boolean)' => [ 'read', "kv.zcount('z'::text, 0, 9)", 0 ],
	'zincrby(bytea,bytea,double precision,integer)' => [ 'write', "kv.zincrby('z'::bytea, 'x'::bytea, 1)", 1 ],
	'zincrby(text,text,double precision,integer)' => [ 'write', "kv.zincrby('z'::text, 'x'::text, 1)", 1 ],
	'zmscore(bytea,bytea[],integer)' => [ 'read', "kv.zmscore('z'::bytea, '{treasure}'::bytea[])", 0 ],
	'zmscore(text,text[],integer)' => [ 'read', "kv.zmscore('z'::text, '{treasure}'::text[])", 0 ],
	'zpopmax(bytea,integer,bigint)' => [ 'write', "kv.zpopmax('z'::bytea)", 1 ],
	'zpopmax(text,integer,bigint)' => [ 'write', "kv.zpopmax('z'::text)", 1 ],
	'zpopmin(bytea,integer,bigint)' => [ 'write', "kv.zpopmin('z'::bytea)", 1 ],
	'zpopmin(text,integer,bigint)' => [ 'write', "kv.zpopmin('z'::text)", 1 ],
	'zrange(bytea,bigint,bigint,integer,boolean)' => [ 'read', "kv.zrange('z'::bytea, 0, -1)", 0 ],
	'zrange(text,bigint,bigint,integer,boolean)' => [ 'read', "kv.zrange('z'::text, 0, -1)", 0 ],
	'zrangebyscore(bytea,double precision,double precision,integer,boolean,boolean,boolean,bigint,bigint)' => [ 'read', "kv.zrangebyscore('z'::bytea, 0, 9)", 0 ],
	'zrangebyscore(text,double precision,double precision,integer,boolean,boolean,boolean,bigint,bigint)' => [ 'read', "kv.zrangebyscore('z'::text, 0, 9)", 0 ],
	'zrank(bytea,bytea,integer)' => [ 'read', "kv.zrank('z'::bytea, 'treasure'::bytea)", 0 ],
	'zrank(text,text,integer)' => [ 'read', "kv.zrank('z'::text, 'treasure'::text)", 0 ],
	'zrem(bytea,bytea,integer)' => [ 'write', "kv.zrem('z'::bytea, 'treasure'::bytea)", 1 ],
	'zrem(bytea,bytea[],integer)' => [ 'write', "kv.zrem('z'::bytea, '{treasure}'::bytea[])", 1 ],
	'zrem(text,text,integer)' => [ 'write', "kv.zrem('z'::text, 'treasure'::text)", 1 ],
	'zrem(text,text[],integer)' => [ 'write', "kv.zrem('z'::text, '{treasure}'::text[])", 1 ],
	'zremrangebyrank(bytea,bigint,bigint,integer)' => [ 'write', "kv.zremrangebyrank('z'::bytea, 0, -1)", 1 ],
	'zremrangebyrank(text,bigint,bigint,integer)' => [ 'write', "kv.zremrangebyrank('z'::text, 0, -1)", 1 ],
	'zremrangebyscore(bytea,double precision,double precision,integer,boolean,boolean)' => [ 'write', "kv.zremrangebyscore('z'::bytea, 0, 9)", 1 ],
	'zremrangebyscore(text,double precision,double precision,integer,boolean,boolean)' => [ 'write', "kv.zremrangebyscore('z'::text, 0, 9)", 1 ],
	'zrevrank(bytea,bytea,integer)' => [ 'read', "kv.zrevrank('z'::bytea, 'treasure'::bytea)", 0 ],
	'zrevrank(text,text,integer)' => [ 'read', "kv.zrevrank('z'::text, 'treasure'::text)", 0 ],
	'zscore(bytea,bytea,integer)' => [ 'read', "kv.zscore('z'::bytea, 'treasure'::bytea)", 0 ],
	'zscore(text,text,integer)' => [ 'read', "kv.zscore('z'::text, 'treasure'::text)", 0 ],
	'zset_of(bytea,integer)' => [ 'read', "kv.zset_of('z', 0)", 0 ],
	'stream_of(bytea,integer)' => [ 'read', "kv.stream_of('st', 0)", 0 ],
	'xadd(bytea,bytea,bytea,integer,text)' => [ 'write', "kv.xadd('st'::bytea, 'f'::bytea, 'x'::bytea)", 1 ],
	'xadd(bytea,bytea[],bytea[],integer,text)' => [ 'write', "kv.xadd('st'::bytea, '{f}'::bytea[], '{x}'::bytea[])", 1 ],
	'xadd(text,text,bytea,integer,text)' => [ 'write', "kv.xadd('st'::text, 'f'::text, 'x'::bytea)", 1 ],
	'xadd(text,text,text,integer,text)' => [ 'write', "kv.xadd('st'::text, 'f'::text, 'x'::text)", 1 ],
	'xadd(text,text[],bytea[],integer,text)' => [ 'write', "kv.xadd('st'::text, '{f}'::text[], '{x}'::bytea[])", 1 ],
	'xadd(text,text[],text[],integer,text)' => [ 'write', "kv.xadd('st'::text, '{f}'::text[], '{x}'::text[])", 1 ],
	'xdel(bytea,text,integer)' => [ 'write', "kv.xdel('st'::bytea, '1-1'::text)", 1 ],
	'xdel(bytea,text[],integer)' => [ 'write', "kv.xdel('st'::bytea, '{1-1}'::text[])", 1 ],
	'xdel(text,text,integer)' => [ 'write', "kv.xdel('st'::text, '1-1'::text)", 1 ],
	'xdel(text,text[],integer)' => [ 'write', "kv.xdel('st'::text, '{1-1}'::text[])", 1 ],
	'xlen(bytea,integer)' => [ 'read', "kv.xlen('st'::bytea)", 0 ],
	'xlen(text,integer)' => [ 'read', "kv.xlen('st'::text)", 0 ],
	'xrange(bytea,text,text,integer,boolean,bigint)' => [ 'read', "kv.xrange('st'::bytea, '-', '+')", 0 ],
	'xrange(text,text,text,integer,boolean,bigint)' => [ 'read', "kv.xrange('st'::text, '-', '+')", 0 ],
	'xtrim(bytea,bigint,integer)' => [ 'write', "kv.xtrim('st'::bytea, 0)", 1 ],
	'xtrim(bytea,text,integer)' => [ 'write', "kv.xtrim('st'::bytea, '9-0'::text)", 1 ],
	'xtrim(text,bigint,integer)' => [ 'write', "kv.xtrim('st'::text, 0)", 1 ],
	'xtrim(text,text,integer)' => [ 'write', "kv.xtrim('st'::text, '9-0'::text)", 1 ],
);

my @functions = split /\n/, sql(<<'SQL');
SELECT regexp_replace(p.oid::regprocedure::text, '^kv\.', '') FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
WHERE e.extname = 'pgfirst_kv' ORDER BY 1
SQL
is_deeply([ sort keys %functions ], [ sort @functions ], 'every function has a case here, and no other');

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf',
	PgfirstTest::settings($standby, PostgreSQL::Test::Cluster::get_free_port(), conf => "pgfirst.redis_auth_delay = 0"));
$standby->start;

# A collection of each type, which nobody may find or change who may not.
sub prepare_collections
{
	$app->call('DEL', qw(h l s st z l2 s2));
	$app->call('HSET', 'h', 'f', 'treasure', 'n', 5);
	$app->call('RPUSH', 'l', 'treasure');
	$app->call('SADD', 's', 'treasure');
	$app->call('ZADD', 'z', 1, 'treasure');
	$app->call('XADD', 'st', '1-1', 'f', 'treasure');
}

sub collections
{
	return join ' ', (map { @{ $app->call(@$_) } } [qw(HGETALL h)], [qw(LRANGE l 0 -1)], [qw(SMEMBERS s)], [qw(ZRANGE z 0 -1 WITHSCORES)]),
		map { ($_->[0], @{ $_->[1] }) } @{ $app->call(qw(XRANGE st - +)) };
}

for my $name (grep { $functions{$_} } sort @functions)
{
	my ($needs, $call, $changes) = @{ $functions{$name} };
	my $statement = "SELECT $call";
	prepare();
	prepare_collections();
	my $collections = collections();

	like(sql_error('outsider', $statement), qr/permission denied for schema kv/, "$name without USAGE");
	like(sql_error('nobody', $statement), qr/^psql:.*ERROR:  permission denied for function/, '… without EXECUTE') if $needs eq 'execute';
	like(sql_error('nobody', $statement), qr/ERROR:  role "nobody" may not \w+.* database 0\nHINT:  SELECT kv\.grant\('nobody', 0, '$needs'\)/,
		'… without the grant') if $needs =~ /^(read|write)$/;
	like(sql_error($_, $statement), qr/ERROR:  \w+ is a trigger function/, "… is not for $_") for $needs eq 'trigger' ? qw(nobody postgres) : ();
	like(sql_error('reader', $statement), qr/ERROR:  role "reader" may not write to database 0/, '… with a lesser one') if $needs eq 'write';
	is($node->safe_psql('postgres', "SELECT count(*) FROM $call", extra_params => [ '-U', 'nobody' ]), 0,
		'… without the grant') if $needs eq 'rows';
	my (undef, $out, $error) = $node->psql('postgres', "SELECT x FROM $call x", extra_params => [ '-U', 'writer7' ]);
	# Where nothing is there, nothing is renamed.
	like($error, $needs eq 'execute' ? qr/ERROR:  permission denied for function/ : $needs eq 'trigger' ? qr/ERROR:  .*return type trigger/
		: $name =~ /^(rename|lset)/ ? qr/ERROR:  no such key/ : qr/^$/, '… as another tenant');
	unlike($out, qr/treasure|7472656173757265|k/, '… shows nothing') or diag($out);
	is($app->call('GET', 'k'), 'treasure', '… which changes nothing');
	is(collections(), $collections, '… nor a collection');
	$seven->call('FLUSHALL');
	my $read_only = sql_error('postgres', "BEGIN READ ONLY; $statement; COMMIT");
	my $there = sql_error('postgres', $statement, $standby);
	if ($changes)
	{
		like($read_only, qr/ERROR:  .*(read-only transaction|trigger function)/, '… in a read-only transaction');
		like($there, qr/ERROR:  .*(read-only transaction|during recovery|trigger function)/, '… on a standby');
		is(sql("SELECT kv.get_text('k')"), 'treasure', '… has changed nothing');
		is(collections(), $collections, '… and no collection');
	}
	else
	{
		is($read_only, '', '… in a read-only transaction');
		is($there, '', '… on a standby');
	}
}

# Those that need nothing, which have no keys to keep to themselves, but numbers of them.
sub counts { return sql_as($_[0], 'SELECT c.keys, c.expiring_keys, c.bytes, c.evicted_keys FROM kv.database_counts(0) c'); }
sub sql_as { return $node->safe_psql('postgres', $_[1], extra_params => [ '-U', $_[0] ]); }

wait_until('keys are counted', sub { counts('reader') =~ /^[1-9]\d*\|1\|[1-9]\d*\|0$/; });
is(counts('nobody'), '|||', 'kv.database_counts without the grant');
like(counts('writer7'), qr/^\|\|\d+\|\d+$/, '… as another tenant: of all tenants, and not of one');
is(sql_as('writer7', 'SELECT count(*), count(keys), count(bytes) > 0 FROM kv.databases'), '4|0|t', '… nor the view');
is(sql_as('nobody', 'SELECT kv.may(0), kv.tenant(), (SELECT count(*) FROM kv.databases)'), 'f|0|0', 'what a role without rights is told');
is(sql_as('writer7', "SELECT kv.may(0, 'write'), kv.may(0, 'admin'), kv.tenant()"), 't|f|7', '… and one of another tenant');

# ---- the commands on a standby ---------------------------------------------------------------

wait_for_door($standby);
prepare();
wait_for_standby($node, $standby);
my $serves = worker_pid($standby);
sub there { return as($_[0] // 'app', node => $standby); }

# What changes keys is refused, as by a replica of Redis, and some more; all else is as on the primary: who is answered
# there is answered here, and an error is the same.
my $no_replica = qr/^-ERR \w+ cannot be used with replica instances/;
my %refused = (
	(map { $_ => qr/^-ERR a standby makes no checkpoints of its own; send \U$_\E to the primary$/ } qw(save bgsave)),
	wait => $no_replica, waitaof => $no_replica);
for my $name (grep { $cases{$_} } @commands)
{
	my ($needs) = @{ $cases{$name} };
	my @words = words($name, $cases{$name});
	my $reply = said(there()->call(@words));

	if ($needs eq 'write' || $name =~ /^(flushall|swapdb)$/)
	{
		like($reply, qr/^-READONLY /, "on a standby: $name");
	}
	elsif ($refused{$name})
	{
		like($reply, $refused{$name}, "on a standby: $name");
	}
	else
	{
		my ($here, $there) = map { /^-/ ? $_ : 'an answer' } said(as('app')->call(@words)), $reply;
		is($there, $here, "on a standby: $name");
	}
	like(there('nobody')->call(@words), qr/^-NOPERM /, '… without the grant') if $needs ne 'none';
	my $told = said(there('admin7')->call(@words));
	ok($needs eq 'server' ? $told =~ /^-NOPERM / : $told !~ /treasure/, '… as another tenant') or diag($told);
}
my $there = there();
is(held($there), $held, 'nothing has changed there');
is(worker_pid($standby), $serves, '… and the same process serves');

# Those that end or change the connection, or somebody else's.
is($there->call('QUIT') . ($there->outcome(10))[0], 'OKclosed', 'on a standby QUIT ends the connection');
$there = there();
is($there->call('RESET') . $there->call('GET', 'k'), 'RESET-NOAUTH Authentication required.', '… RESET logs out');
is($there->call('AUTH', 'reader', 'secret') . $there->call('GET', 'k'), 'OKtreasure', '… AUTH logs in');
like(said($there->call('HELLO', 3, 'AUTH', 'nobody', 'secret')), qr/ role replica /, '… HELLO says what it is');
like($there->call('GET', 'k'), qr/^-NOPERM User nobody /, '… and whose the connection is now');
$there = there();
my $victim = there('reader');
is($there->call('CLIENT', 'KILL', 'ID', $victim->call('CLIENT', 'ID')) . ($victim->outcome(10))[0], '1closed', '… CLIENT KILL kills');
$victim = there('reader');
is($there->call('CLIENT', 'PAUSE', 60000, 'ALL'), 'OK', '… CLIENT PAUSE');
$victim->send('GET', 'k');
is(($victim->outcome(0.3))[0], 'silent', '… holds others');
is($there->call('CLIENT', 'UNPAUSE') . $victim->reply, 'OKtreasure', '… until CLIENT UNPAUSE');
is_deeply([ exchange($there, 'WATCH k', 'MULTI', 'GET k', 'EXEC') ], [ 'OK', 'OK', 'QUEUED', ['treasure'] ], '… WATCH and MULTI');
like($there->call('BLPOP', 'nothing', 0), qr/^-READONLY /, '… and nobody waits for what cannot be taken');
$standby->stop;

# ---- dumps -----------------------------------------------------------------------------------

sql("CREATE ROLE gone; SELECT kv.grant('gone', 3, 'admin'), kv.set_tenant('gone', 9); DROP ROLE gone");
my $listed = "SELECT string_agg(role || coalesce(db::text, '*') || level, ' ' ORDER BY role, db) FROM kv.grants";
my $tenancies = "SELECT string_agg(role::text || tenant, ' ' ORDER BY role::text) FROM kv.tenancy WHERE tenant <> 9";
sql('CREATE DATABASE copy');
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, 'postgres' ], 'pg_dump');
unlike(slurp_file($dump), qr/^\d+\t\d\tadmin$/m, 'the rights of a dropped role are in no dump');
$node->command_ok([ 'psql', '-qX1', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'copy' ], '… which is restored');
is($node->safe_psql('copy', $listed), sql($listed), '… with every right');
is($node->safe_psql('copy', $tenancies), sql($tenancies), '… and tenant');
is($node->safe_psql('copy', "SELECT kv.get_text('k')"), 'treasure', '… and key');

$node->stop;
done_testing();
