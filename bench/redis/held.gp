# SPDX-License-Identifier: PostgreSQL
#
# held.gp: updates and reads beside a held snapshot, for docs/benchmarks.md. Called with the variables `data`, the folder
# with the files that report.py has written, and `plots`, where the SVG files go.

set terminal svg size 820,420 font 'Helvetica,13' background '#ffffff'
set grid ytics lc rgb '#dddddd' lt 1
set border 3 lc rgb '#888888'
set tics nomirror textcolor rgb '#222222'
set key outside top center horizontal
set style data lines

pgfirst = '#1f6feb'
redis = '#d1242f'
postgres = '#6e7781'

set xlabel 'updates of 1,000 keys while one transaction sits idle (thousands)'
set xrange [0:*]

set ylabel 'SET per second (thousands)'
set yrange [0:*]
set output plots.'/held-set.svg'
plot data.'/held.pgfirst' using ($1/1e3):($2/1e3) lw 2.5 lc rgb pgfirst title 'pgfirst', \
     data.'/held.redis' using ($1/1e3):($2/1e3) lw 2.5 lc rgb redis title 'Redis', \
     data.'/held.postgres' using ($1/1e3):($2/1e3) lw 2.5 lc rgb postgres title 'PostgreSQL, heap table'

set ylabel 'GET per second (thousands)'
set output plots.'/held-get.svg'
plot data.'/held.pgfirst' using ($1/1e3):($3/1e3) lw 2.5 lc rgb pgfirst title 'pgfirst', \
     data.'/held.redis' using ($1/1e3):($3/1e3) lw 2.5 lc rgb redis title 'Redis', \
     data.'/held.postgres' using ($1/1e3):($3/1e3) lw 2.5 lc rgb postgres title 'PostgreSQL, heap table'

set ylabel 'size (MB)'
set output plots.'/held-size.svg'
plot data.'/held.pgfirst' using ($1/1e3):($4/1e6) lw 2.5 lc rgb pgfirst title 'pgfirst', \
     data.'/held.redis' using ($1/1e3):($4/1e6) lw 2.5 lc rgb redis title 'Redis', \
     data.'/held.postgres' using ($1/1e3):($4/1e6) lw 2.5 lc rgb postgres title 'PostgreSQL, heap table'
