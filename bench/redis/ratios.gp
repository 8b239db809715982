# SPDX-License-Identifier: PostgreSQL
#
# ratios.gp: rates beside Redis's, with their quartiles, for docs/benchmarks.md. Called with the variables `data`, the
# folder with the file that report.py has written, and `plots`, where the SVG file goes.

set terminal svg size 820,620 font 'Helvetica,13' background '#ffffff'
set grid xtics lc rgb '#dddddd' lt 1
set border 3 lc rgb '#888888'
set tics nomirror
set xlabel 'rate, as a multiple of Redis (median of the pairs, with quartiles)'
set xrange [0:*]
set yrange [*:*] reverse
set offsets 0, 0, 0.7, 0.7
set lmargin 42
set tics textcolor rgb '#222222'
set arrow from 1, graph 0 to 1, graph 1 nohead lc rgb '#d1242f' lw 1.5
set output plots.'/ratios.svg'
plot data.'/ratios' using 2:0:3:4:ytic(1) with xerrorbars pt 0 lw 1.8 lc rgb '#1f6feb' notitle, \
     data.'/ratios' using 2:0 with points pt 7 ps 0.7 lc rgb '#1f6feb' notitle
