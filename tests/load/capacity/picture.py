"""The picture of docs/capacity.md: what is needed, against players up to a million, for some uses. Drawn with gnuplot."""
import os
import shutil
import subprocess
import sys
import tempfile

from model import LIVE_FILL, Load

USES = [  # what it is called, and what so many players do
    ("rooms of 4, a command/s each", lambda n: Load(n, 4, n)),
    ("rooms of 4, frames at 10 Hz, a command/s each", lambda n: Load(n, 4, n, echo=False, tick_hz=10, image_kb=0.5)),
    ("live rounds of 4, 150 s each", lambda n: Load(n, 4, rounds=n / 4 / 150, log_fill=LIVE_FILL)),
]
STEPS = 25
FEWEST, MOST = 1000, 1000000
UTILISATION = 0.6

SCRIPT = """
set terminal {terminal}
set output '{output}'
set linetype 1 lc rgb '#2471a3'
set linetype 2 lc rgb '#1e8449'
set linetype 3 lc rgb '#c0392b'
set linetype 4 lc rgb '#17202a'
set multiplot layout 2,1
set lmargin 9
set rmargin 4
set logscale xy
set grid xtics ytics mxtics mytics lc rgb '#c8c8c8', lc rgb '#ececec'
set key inside left top vertical Left reverse spacing 1.3 samplen 2
set xtics ('1 000' 1e3, '10 000' 1e4, '100 000' 1e5, '1 000 000' 1e6)
set xrange [{fewest}:{most}]
set format y '%g'
set ylabel 'processes, {first}'
plot '{data}' index 0 using 1:2 with steps lw 5 lt 1 title 'gateways', \\
     '{data}' index 0 using 1:3 with steps lw 3 lt 2 title 'workers', \\
     '{data}' index 0 using 1:4 with steps lw 2 lt 3 title 'Redis', \\
     '{data}' index 0 using 1:7 with steps lw 1.5 dt 2 lt 4 title 'deployments'
set xlabel 'players'
set ylabel 'processors; GB, dashed'
plot for [i=0:{last}] '{data}' index i using 1:5 with lines lw 2 lt i+1 title columnheader(1), \\
     for [i=0:{last}] '{data}' index i using 1:6 with lines lw 1.5 dt 2 lt i+1 notitle
unset multiplot
"""
TERMINALS = {"svg": "svg size 1100,900 font 'Helvetica,14' background 'white'", "png": "pngcairo size 1100,900 font 'Helvetica,11'"}


def draw(costs, answer, path):
    """path.svg and path.png. The exit status."""
    if not shutil.which("gnuplot"):
        print("scripts/capacity: there is no gnuplot (scripts/deps bench), so no picture", file=sys.stderr)
        return 1
    blocks = []
    for name, load in USES:
        lines = [f'"{name}"']
        for i in range(STEPS):
            players = round(FEWEST * (MOST / FEWEST) ** (i / (STEPS - 1)))
            need = answer(load(players), costs, UTILISATION, 16)
            if need:
                of = need["of"]
                lines.append(f"{players} {of['gateway']['processes']} {of['worker']['processes']} {of['redis']['processes']} "
                             f"{need['processors_busy'] / UTILISATION:.4f} {need['gb']:.3f} {need['deployments']}")
        blocks.append("\n".join(lines))
    with tempfile.TemporaryDirectory() as work:
        data = os.path.join(work, "data")
        with open(data, "w", encoding="utf-8") as file:
            file.write("\n\n\n".join(blocks) + "\n")
        for kind, terminal in TERMINALS.items():
            script = SCRIPT.format(terminal=terminal, output=f"{path}.{kind}", data=data, fewest=FEWEST, most=MOST,
                                   last=len(USES) - 1, first=USES[0][0])
            if subprocess.run(["gnuplot"], input=script, text=True, check=False).returncode:
                return 1
    print(f"{path}.svg {path}.png")
    return 0
