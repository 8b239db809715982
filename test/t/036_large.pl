# SPDX-License-Identifier: PostgreSQL
#
# 036_large.pl: large keys, large values and any bytes, through both doors, across a crash.

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use FindBin;
use lib "$FindBin::RealBin/../perl";
use PgfirstTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = pgfirst_node('large', conf => "autovacuum = off");
my $redis = redis($node, timeout => 120);

sub sql { return $node->safe_psql('postgres', $_[0]); }

my $key = join('', map { chr(33 + ($_ * 7) % 90) } 1 .. 100 * 1024);
my $value = join('', map { pack('N', ($_ * 2654435761) % 2**32) } 1 .. 256 * 1024) x 100;
is(length $key, 100 * 1024, 'a key of 100 KB');
is(length $value, 100 * 1024 * 1024, '… and a value of 100 MB');

my $began = time;
is($redis->call('SET', $key, 'of a long key'), 'OK', 'SET of a long key');
is($redis->call('GET', $key), 'of a long key', '… GET');
is($redis->call('GET', substr($key, 0, -1)), undef, '… one byte less is another');
is(sql("SELECT key_bytes = kv_key AND kv.get_text(key_bytes) = 'of a long key' FROM kv.keys,"
	. " LATERAL (SELECT key_bytes AS kv_key) k WHERE bytes = 13 AND octet_length(key_bytes) = 102400"), 't', '… and SQL finds it');

my $other = redis($node);
$other->call('SET', 'small', 's');
$began = time;
$redis->send('SET', 'big', $value);
# While it arrives and is written, others are served between the turns.
my ($worst, $asked) = (0, 0);
while (1)
{
	my $sent = time;
	$other->call('GET', 'small');
	$worst = time - $sent if time - $sent > $worst;
	$asked++;
	my ($what, $answer) = $redis->outcome(0.001);
	next if $what eq 'silent' && time - $began < 120;
	is($answer // $what, 'OK', 'SET of 100 MB');
	last;
}
note sprintf('SET of 100 MB took %.1f s; others asked %d times, the slowest %.2f s', time - $began, $asked, $worst);
$began = time;
is(md5_hex($redis->call('GET', 'big')), md5_hex($value), 'GET of 100 MB: every byte');
note sprintf('GET of 100 MB took %.1f s', time - $began);
is(sql("SELECT md5(kv.get('big'))"), md5_hex($value), '… from SQL too');
is(sql("SELECT bytes FROM kv.keys WHERE key = 'big'"), length $value, '… kv.keys knows its length');
is($redis->call('EXPIRE', 'big', 1000), 1, 'its expiry is changed');
is(md5_hex($redis->call('GET', 'big')), md5_hex($value), '… and it is whole');

# Set from SQL, read from Redis, rolled back and not.
sql("SELECT kv.set('of sql', convert_to(repeat('pgfirst!', 4 * 1024 * 1024), 'UTF8'))");
is(md5_hex($redis->call('GET', 'of sql')), md5_hex('pgfirst!' x (4 * 1024 * 1024)), '32 MB from SQL are read by Redis');
sql("BEGIN; SELECT kv.set('big', 'small'); ROLLBACK");
is(md5_hex($redis->call('GET', 'big')), md5_hex($value), 'a rolled back kv.set leaves the 100 MB');
sql("BEGIN; SELECT kv.set('big', 'small'); SAVEPOINT s; SELECT kv.del('big'); ROLLBACK TO s; COMMIT");
is($redis->call('GET', 'big'), 'small', 'a deletion rolled back to a savepoint leaves what the transaction had set');
is($redis->call('TTL', 'big'), -1, '… without the expiry of the value before');
$redis->call('SET', 'big', $value);

# Any bytes.
my $bytes = join('', map { chr } 0 .. 255);
is($redis->call('SET', $bytes, "\0\r\n$bytes"), 'OK', 'a key and a value of all bytes');
is($redis->call('GET', $bytes), "\0\r\n$bytes", '… are read');
my $hex = unpack('H*', $bytes);
is(sql("SELECT kv.get('\\x$hex'::bytea)"), '\\x' . unpack('H*', "\0\r\n$bytes"), '… by SQL, as bytea');
is(sql("SELECT key IS NULL FROM kv.keys WHERE key_bytes = '\\x$hex'"), 't', '… kv.keys has no text for them');
my (undef, undef, $error) = $node->psql('postgres', "SELECT kv.get_text('\\x$hex'::bytea)");
like($error, qr/not valid UTF-8.*kv\.get /s, '… kv.get_text says so');
sql("SELECT kv.set('\\x00ff00'::bytea, '\\xff00ff'::bytea)");
is($redis->call('GET', "\x00\xff\x00"), "\xff\x00\xff", 'bytes set by SQL are read by Redis');
is($redis->call('SET', '', 'empty'), 'OK', 'the empty key');
is($redis->call('GET', ''), 'empty', '… is a key');
is(sql("SELECT kv.get_text('')"), 'empty', '… for SQL too');
is($redis->call('SET', 'nothing', ''), 'OK', 'the empty value');
is($redis->call('GET', 'nothing'), '', '… is not null');
is(sql("SELECT kv.get_text('nothing') IS NULL"), 'f', '… for SQL neither');
is(sql("SELECT kv.set('ключ', 'значение')"), 't', 'text from SQL');
is($redis->call('GET', "\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87"), "\xd0\xb7\xd0\xbd\xd0\xb0\xd1\x87\xd0\xb5\xd0\xbd\xd0\xb8\xd0\xb5", '… is UTF-8 for Redis');

# All of it is there after a crash.
crash($node);
$node->start;
wait_for_door($node);
$redis = redis($node, timeout => 120);
is(md5_hex($redis->call('GET', 'big')), md5_hex($value), 'after a kill -9: 100 MB');
is($redis->call('GET', $key), 'of a long key', '… the long key');
is($redis->call('GET', $bytes), "\0\r\n$bytes", '… all bytes');
is($redis->call('DEL', 'big', $key), 2, 'they are deleted');
is($redis->call('GET', 'big'), undef, '… and gone');

$node->stop;
done_testing();
