// SPDX-License-Identifier: Apache-2.0

extension DashboardFiles {
    static let style = #"""
        :root {
          color-scheme: light dark;
          --back: #f4f5f7; --card: #ffffff; --text: #1b1f24; --soft: #57606a; --line: #d5d9df;
          --accent: #0b5fcc; --good: #1a7f37; --bad: #c5221f; --warn: #9a6700;
          --c0: #2f6fde; --c1: #128a7d; --c2: #b35c00; --c3: #8a4fd0; --c4: #b83280; --c5: #5b7083; --c6: #7a7a00; --c7: #c0392b;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --back: #0f1318; --card: #181e26; --text: #e6eaf0; --soft: #9aa6b4; --line: #303a46;
            --accent: #6cb0ff; --good: #4cc46a; --bad: #ff7b72; --warn: #e3b341;
            --c0: #6ea8ff; --c1: #4fd0c0; --c2: #f0a04b; --c3: #c49bff; --c4: #f58fc3; --c5: #9fb3c6; --c6: #d0d060; --c7: #ff8f80;
          }
        }
        * { box-sizing: border-box; }
        [hidden] { display: none !important; }
        body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
        h1 { font-size: 1.15rem; margin: 0; }
        h2 { font-size: 1rem; margin: 0 0 .6rem; }
        h3 { font-size: .95rem; margin: 0; overflow-wrap: anywhere; }
        header { display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: center; padding: .7rem 1rem; background: var(--card); border-bottom: 1px solid var(--line); }
        header p { margin: 0; }
        header form { margin-left: auto; }
        .node { color: var(--soft); overflow-wrap: anywhere; }
        #state { font-weight: 600; color: var(--bad); }
        form { display: flex; flex-wrap: wrap; gap: .4rem .5rem; align-items: center; }
        input, select, button { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--soft); border-radius: 6px; padding: .3rem .55rem; min-height: 2.2rem; max-width: 100%; }
        button { background: var(--accent); color: var(--card); border-color: var(--accent); font-weight: 600; cursor: pointer; }
        button.quiet { background: transparent; color: var(--accent); }
        button:disabled { opacity: .55; cursor: default; }
        :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
        .skip { position: absolute; left: -999px; }
        .skip:focus { left: .5rem; top: .5rem; background: var(--card); padding: .5rem; z-index: 1; }
        .hint { color: var(--soft); margin: 0; font-size: .9rem; }
        .visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
        main { display: grid; gap: 1rem; padding: 1rem; grid-template-columns: minmax(0, 1fr); max-width: 1440px; margin: 0 auto; }
        section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem; min-width: 0; }
        @media (min-width: 1000px) {
          main { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); grid-template-areas: "ring explain" "groups groups" "operations changes"; }
          .ring { grid-area: ring; } .explain { grid-area: explain; } .groups { grid-area: groups; }
          .operations { grid-area: operations; } .changes { grid-area: changes; }
        }
        .ringbody { display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; }
        .ringbody svg { width: 200px; height: 200px; flex: none; margin: 0 auto; }
        .ringbody .scroll { flex: 1 1 260px; min-width: 0; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
        th, td { text-align: left; padding: .3rem .35rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
        th { color: var(--soft); font-weight: 600; font-size: .85rem; }
        .number { text-align: right; }
        td.wrap { min-width: 10.5em; }
        .nodename { display: flex; align-items: baseline; }
        .nodename .swatch { flex: none; }
        td.wrap, .wrap { white-space: normal; overflow-wrap: anywhere; }
        /* Where there is no room for five columns a node has two lines: its name, and what is known of it. */
        @media (max-width: 480px) {
          .ringbody thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
          .ringbody tr { display: grid; grid-template-columns: 3fr 3fr 3fr 4fr; border-bottom: 1px solid var(--line); padding: .3rem 0; }
          .ringbody td { border: 0; padding: .1rem 0; }
          .ringbody td:first-child { grid-column: 1 / -1; }
          .ringbody td.number { text-align: left; }
        }
        .badge { font-weight: 600; }
        .badge.up, .badge.hit, .badge.fresh, .badge.succeeded { color: var(--good); }
        .badge.down, .badge.miss, .badge.failed { color: var(--bad); }
        .badge.probing, .badge.draining, .badge.lost, .badge.cancelled, .badge.cancelling { color: var(--warn); }
        .swatch { display: inline-block; width: .8em; height: .8em; border-radius: 3px; margin-right: .45em; vertical-align: -1px; }
        .arc { stroke: var(--card); stroke-width: 2; }
        .arc.down, .arc.probing { fill: var(--bad); }
        .ringtext { fill: var(--text); font: 600 20px system-ui, sans-serif; text-anchor: middle; }
        .ringsub { fill: var(--soft); font: 12px system-ui, sans-serif; text-anchor: middle; }
        .f0 { fill: var(--c0); background: var(--c0); } .f1 { fill: var(--c1); background: var(--c1); }
        .f2 { fill: var(--c2); background: var(--c2); } .f3 { fill: var(--c3); background: var(--c3); }
        .f4 { fill: var(--c4); background: var(--c4); } .f5 { fill: var(--c5); background: var(--c5); }
        .f6 { fill: var(--c6); background: var(--c6); } .f7 { fill: var(--c7); background: var(--c7); }
        #groups { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
        .group { border: 1px solid var(--line); border-radius: 8px; padding: .8rem; min-width: 0; }
        .group .head { display: flex; justify-content: space-between; gap: 1rem; align-items: baseline; }
        .facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(92px, 1fr)); gap: .5rem; margin: .6rem 0; }
        .facts div { min-width: 0; }
        .facts dt { color: var(--soft); font-size: .8rem; }
        .facts dd { margin: 0; font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; }
        .chart { display: block; width: 100%; height: 56px; background: var(--back); border-radius: 6px; }
        .chart polyline { fill: none; stroke: var(--c0); stroke-width: 2; vector-effect: non-scaling-stroke; }
        .chart.slow polyline { stroke: var(--c2); }
        .chartname { color: var(--soft); font-size: .8rem; margin: .5rem 0 .2rem; display: flex; justify-content: space-between; gap: 1rem; }
        .bar { display: flex; height: 12px; border-radius: 6px; overflow: hidden; background: var(--back); }
        .bar span { min-width: 0; }
        .legend { display: flex; flex-wrap: wrap; gap: .2rem .9rem; list-style: none; padding: 0; margin: .35rem 0 0; font-size: .85rem; }
        dl.explained { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .25rem 1rem; margin: .8rem 0 0; }
        dl.explained dt { color: var(--soft); }
        dl.explained dd { margin: 0; overflow-wrap: anywhere; }
        ul.plain { list-style: none; margin: 0; padding: 0; }
        #explain-key { flex: 1 1 160px; min-width: 0; }
        #changes { list-style: none; margin: .5rem 0 0; padding: 0; max-height: 260px; overflow-y: auto; }
        #changes li { display: flex; gap: .6rem; border-bottom: 1px solid var(--line); padding: .25rem 0; font-variant-numeric: tabular-nums; }
        #operations-message { margin: .4rem 0; overflow-wrap: anywhere; }
        #operations-message:empty { margin: 0; }
        #changes li span:last-child { overflow-wrap: anywhere; min-width: 0; }
        .what { flex: none; width: 6.2em; font-weight: 600; }
        #operations { margin-top: .7rem; }
        .operation { border-top: 1px solid var(--line); padding: .5rem 0; }
        .operation .head { display: flex; flex-wrap: wrap; gap: .3rem .8rem; align-items: center; justify-content: space-between; }
        .operation .head > :first-child { flex: 1 1 auto; }
        progress { width: 100%; height: 12px; accent-color: var(--accent); }
        @media (prefers-reduced-motion: no-preference) { .new { animation: arrive 1.2s ease-out; } @keyframes arrive { from { background: var(--line); } } }

        """#
    static let icon = #"""
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="11" fill="none" stroke="#2f6fde" stroke-width="6" stroke-dasharray="20 3.04"/></svg>

        """#
}
