// SPDX-License-Identifier: Apache-2.0

extension DashboardFiles {
    /// No text of a cache ever becomes HTML here: everything is put in as text.
    static let script = #"""
        "use strict";
        (() => {
          const $ = id => document.getElementById(id);
          const svgSpace = "http://www.w3.org/2000/svg";
          const history = new Map();
          const points = 120;
          let token = "";
          let last = null;
          let changesAfter = null;
          let isTrusted = false;

          function make(name, className, text) {
            const element = document.createElement(name);
            if (className) element.className = className;
            if (text !== undefined) element.textContent = text;
            return element;
          }
          function draw(name, attributes, text) {
            const element = document.createElementNS(svgSpace, name);
            for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
            if (text !== undefined) element.textContent = text;
            return element;
          }
          async function ask(path, options = {}) {
            const headers = { Accept: "application/json", ...(options.headers || {}) };
            if (token) headers.Authorization = "Bearer " + token;
            const answer = await fetch(path, { ...options, headers, cache: "no-store", signal: AbortSignal.timeout(5000) });
            const text = await answer.text();
            let body = null;
            try { body = JSON.parse(text); } catch { body = null; }
            if (!answer.ok) {
              const error = new Error((body && body.message) || "this node answered " + answer.status);
              error.code = answer.status;
              throw error;
            }
            return body;
          }

          // The scheme of a node tells nothing apart.
          const brief = id => id.replace(/^https?:\/\//, "");
          const percent = part => Number.isFinite(part) ? (100 * part).toFixed(1) + " %" : "–";
          function bytes(count) {
            const units = ["B", "KiB", "MiB", "GiB", "TiB"];
            let unit = 0;
            while (count >= 1024 && unit < units.length - 1) { count /= 1024; unit += 1; }
            return (unit === 0 ? count : count.toFixed(1)) + " " + units[unit];
          }
          function seconds(time) {
            if (!Number.isFinite(time)) return "–";
            if (time < 0.001) return (time * 1e6).toFixed(0) + " µs";
            if (time < 1) return (time * 1e3).toFixed(1) + " ms";
            if (time < 120) return time.toFixed(1) + " s";
            return (time / 60).toFixed(0) + " min";
          }
          function rate(count) { return count >= 1000 ? (count / 1000).toFixed(1) + " k/s" : count.toFixed(count < 10 ? 1 : 0) + "/s"; }

          // Ring
          function arc(from, to) {
            const at = (turn, radius) => {
              const angle = 2 * Math.PI * turn - Math.PI / 2;
              return (110 + radius * Math.cos(angle)).toFixed(2) + " " + (110 + radius * Math.sin(angle)).toFixed(2);
            };
            if (to - from >= 0.9999) to = from + 0.9999;
            const large = to - from > 0.5 ? 1 : 0;
            return `M ${at(from, 100)} A 100 100 0 ${large} 1 ${at(to, 100)} L ${at(to, 66)} A 66 66 0 ${large} 0 ${at(from, 66)} Z`;
          }
          function showRing(view) {
            const ring = $("ring");
            const parts = [];
            let from = 0;
            view.nodes.forEach((node, index) => {
              const path = draw("path", { d: arc(from, from + node.share), class: `arc f${index % 8} ${node.state}` });
              path.append(draw("title", {}, `${node.id}: ${percent(node.share)}, ${node.state}`));
              parts.push(path);
              from += node.share;
            });
            if (view.nodes.length === 0) parts.push(draw("circle", { cx: 110, cy: 110, r: 83, fill: "none", stroke: "currentColor", "stroke-width": 34, opacity: 0.25 }));
            const up = view.nodes.filter(node => node.state === "up").length;
            parts.push(draw("text", { x: 110, y: 110, class: "ringtext" }, view.nodes.length === 0 ? "alone" : `${up} of ${view.nodes.length}`));
            parts.push(draw("text", { x: 110, y: 130, class: "ringsub" }, view.nodes.length === 0 ? "owns every key" : "nodes up"));
            ring.replaceChildren(...parts);
            $("ring-text").textContent = view.nodes.map(node => `${node.id} has ${percent(node.share)} and is ${node.state}`).join("; ");
            $("nodes").replaceChildren(...view.nodes.map((node, index) => {
              const row = make("tr");
              row.dataset.state = node.state;
              const name = make("td", "wrap");
              const line = make("div", "nodename");
              line.append(make("span", `swatch f${index % 8}`), make("span", "", brief(node.id) + (node.isSelf ? " (this node)" : "")));
              name.append(line);
              const state = make("td");
              state.append(make("span", "badge " + node.state, node.state));
              const stream = make("td");
              if (node.stream) stream.append(make("span", "badge " + node.stream, node.stream === "fresh" ? "heard" : node.stream === "lost" ? "not heard" : "untold"));
              if (node.undelivered) stream.append(` ${node.undelivered} waiting`);
              row.append(name, state, make("td", "number", percent(node.share)), stream, make("td", "number", node.p95Seconds ? seconds(node.p95Seconds) : ""));
              return row;
            }));
          }

          // Groups
          function chart(values, top, className, name) {
            const svg = draw("svg", { viewBox: `0 0 ${points - 1} 100`, preserveAspectRatio: "none", class: "chart " + className, role: "img" });
            svg.append(draw("title", {}, name));
            let line = [];
            const flush = () => { if (line.length > 1) svg.append(draw("polyline", { points: line.join(" ") })); line = []; };
            values.forEach((value, index) => {
              if (value === null) return flush();
              line.push(`${index + points - values.length},${(96 - 92 * Math.min(1, value / top)).toFixed(1)}`);
            });
            flush();
            return svg;
          }
          function note(group, before, elapsed) {
            const kept = history.get(group.name) || { ratio: [], latency: [], misses: [] };
            history.set(group.name, kept);
            if (!before) return null;
            const now = { gets: (group.gets - before.gets) / elapsed, loads: (group.loads - before.loads) / elapsed };
            const gets = group.gets - before.gets;
            kept.ratio.push(gets > 0 ? (group.hits - before.hits) / gets : null);
            const loads = (group.loadCount || 0) - (before.loadCount || 0);
            kept.latency.push(loads > 0 ? (group.loadSeconds - before.loadSeconds) / loads : null);
            for (const list of [kept.ratio, kept.latency]) if (list.length > points) list.shift();
            if (group.missTimes && before.missTimes) kept.misses.push(group.missTimes.map((count, index) => count - before.missTimes[index]));
            if (kept.misses.length > 30) kept.misses.shift();
            return now;
          }
          // Up to which of the bounds so large a part of what the last looks have counted comes.
          function quantile(looks, bounds, part) {
            const counts = bounds.concat(Infinity).map((_, index) => looks.reduce((sum, look) => sum + look[index], 0));
            const all = counts.reduce((sum, count) => sum + count, 0);
            if (all === 0) return "–";
            let sum = 0;
            const place = counts.findIndex(count => (sum += count) >= part * all);
            return place < bounds.length ? "≤ " + seconds(bounds[place]) : "> " + seconds(bounds[bounds.length - 1]);
          }
          function showGroup(group, now, bounds) {
            const kept = history.get(group.name);
            const card = make("article", "group");
            card.setAttribute("aria-label", "Group " + group.name);
            const head = make("div", "head");
            head.append(make("h3", "", group.name), make("span", "hint", `${bytes(group.used)} of ${bytes(group.capacity)}`));
            const facts = make("dl", "facts");
            const fact = (name, value) => {
              const box = make("div");
              box.append(make("dt", "", name), make("dd", "", value));
              facts.append(box);
            };
            fact("hit ratio", percent(group.hits / group.gets));
            fact("gets", now ? rate(now.gets) : "–");
            fact("loads", now ? rate(now.loads) : "–");
            fact("entries", String(group.entries + group.copies));
            const known = kept.latency.filter(value => value !== null);
            fact("load takes", known.length > 0 ? seconds(known[known.length - 1]) : group.loadCount ? seconds(group.loadSeconds / group.loadCount) : "–");
            fact("half of misses", quantile(kept.misses, bounds, 0.5));
            fact("99 % of misses", quantile(kept.misses, bounds, 0.99));
            card.append(head, facts);
            const title = (text, more) => {
              const line = make("p", "chartname");
              line.append(make("span", "", text), make("span", "", more));
              return line;
            };
            card.append(title("hit ratio, the last two minutes", "100 %"), chart(kept.ratio, 1, "", "Hit ratio of " + group.name + " over time"));
            const slowest = Math.max(0.001, ...known);
            card.append(title("time of a load, the last two minutes", seconds(slowest)), chart(kept.latency, slowest, "slow", "Time of a load of " + group.name + " over time"));
            const misses = Object.entries(group.misses).filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
            const names = Object.keys(group.misses).sort();
            card.append(title("misses by reason", group.loads + " since the start"));
            const bar = make("div", "bar");
            bar.setAttribute("aria-hidden", "true");
            const legend = make("ul", "legend");
            for (const [name, count] of misses) {
              const part = make("span", "f" + names.indexOf(name) % 8);
              part.style.width = (100 * count / group.loads) + "%";
              bar.append(part);
              const item = make("li");
              item.append(make("span", "swatch f" + names.indexOf(name) % 8), `${name} ${count}`);
              legend.append(item);
            }
            if (misses.length === 0) legend.append(make("li", "hint", "none yet"));
            card.append(bar, legend);
            return card;
          }
          function showGroups(view, elapsed) {
            const before = new Map((last ? last.groups : []).map(group => [group.name, group]));
            // Pages of a thousand groups would be of use to nobody: the busiest are shown.
            const busiest = [...view.groups].sort((a, b) => b.gets - a.gets).slice(0, 24);
            $("groups").replaceChildren(...busiest.map(group => showGroup(group, note(group, before.get(group.name), elapsed), view.latencyBounds)));
            if (view.groups.length > busiest.length) $("groups").append(make("p", "hint", `and ${view.groups.length - busiest.length} more, less busy`));
            const select = $("explain-group");
            const names = view.groups.map(group => group.name);
            if (names.join() !== [...select.options].map(option => option.value).join()) {
              const chosen = select.value;
              select.replaceChildren(...names.map(name => { const option = make("option", "", name); option.value = name; return option; }));
              if (names.includes(chosen)) select.value = chosen;
            }
          }

          // Changes
          async function showChanges() {
            const list = await ask("/v1/changes" + (changesAfter === null ? "" : "?after=" + changesAfter));
            const isFirst = changesAfter === null;
            changesAfter = list.last;
            for (const change of list.items) {
              const item = make("li", isFirst ? "" : "new");
              item.append(make("span", "hint", "#" + change.number), make("span", "what", change.change));
              item.append(make("span", "", (change.group || "all groups") + (change.hasKey ? " / " + (change.key === undefined ? "(a key)" : change.key) : "")));
              $("changes").prepend(item);
            }
            while ($("changes").children.length > 100) $("changes").lastChild.remove();
            if ($("changes").children.length === 0) $("changes-hint").textContent = "none yet, of keys that this node owns; keys are shown with a token";
            else $("changes-hint").textContent = "of keys that this node owns; keys are " + (isTrusted ? "shown" : "shown with a token");
          }

          // Explain
          async function explain(event) {
            event.preventDefault();
            const [group, key] = [$("explain-group").value, $("explain-key").value];
            const place = $("explanation");
            try {
              const it = await ask(`/v1/groups/${encodeURIComponent(group)}/keys/${encodeURIComponent(key)}/explain`);
              const list = make("dl", "explained");
              const row = (name, value) => {
                const what = make("dd");
                what.append(value);
                list.append(make("dt", "", name), what);
              };
              row("here", make("span", "badge " + it.outcome, it.outcome + (it.reason ? ": " + it.reason : "")));
              row("why", it.why);
              row("key", it.key);
              row("owner", it.owner ? brief(it.owner) : "this node");
              if (it.nodes.length > 1) row("then", it.nodes.slice(1).map(node => brief(node.id) + (node.state === "up" ? "" : " (" + node.state + ")")).join(", "));
              if (it.held) {
                row("holds", `${it.held.kind === "copy" ? "a copy" : "its own"}${it.held.isNegative ? ", “there is none”" : ""}, ${bytes(it.held.valueBytes)}`);
                row("since", seconds(it.held.ageSeconds));
                row("for", it.held.timeLeftSeconds === undefined ? "without end" : seconds(it.held.timeLeftSeconds));
              }
              const holds = other => other.holds === "value" ? `${bytes(other.valueBytes)}, for ${seconds(other.ageSeconds)}` : other.holds === "absence" ? "that there is none" : other.holds === "nothing" ? "nothing" : "not known: " + other.why;
              if (it.elsewhere.length > 0) {
                const list = make("ul", "plain");
                for (const other of it.elsewhere) list.append(make("li", "", `${brief(other.id)}: ${holds(other)}`));
                row("others", list);
              }
              if (it.before) row("before", `${it.before.reason}, ${seconds(it.before.secondsAgo)} ago`);
              place.replaceChildren(list);
            } catch (error) {
              place.replaceChildren(make("p", "badge miss", error.message));
            }
          }

          // Operations
          // What is shown stays the same element while it changes, so that who is about to press a button keeps it.
          const shown = new Map();
          function operationBox(id) {
            const box = make("div", "operation");
            const head = make("div", "head");
            const parts = { box, name: make("span"), state: make("span"), cancel: make("button", "quiet", "Cancel"), bar: make("progress"), percent: make("span", "hint"), message: make("p", "hint wrap") };
            parts.cancel.type = "button";
            parts.cancel.setAttribute("aria-label", `Cancel operation ${id}`);
            parts.cancel.addEventListener("click", () => change(`/v1/operations/${id}`, { method: "DELETE" }));
            parts.bar.max = 100;
            parts.bar.setAttribute("aria-label", `Progress of operation ${id}`);
            head.append(parts.name, parts.state, parts.cancel);
            box.append(head, parts.bar, parts.percent, parts.message);
            return parts;
          }
          function showOperation(operation) {
            if (!shown.has(operation.id)) shown.set(operation.id, operationBox(operation.id));
            const parts = shown.get(operation.id);
            const isOver = operation.status !== "Working";
            parts.name.textContent = `#${operation.id} ${operation.operation} ${operation.group || ""}`;
            parts.state.textContent = operation.phase;
            parts.state.className = "badge " + operation.phase;
            parts.cancel.hidden = isOver || !isTrusted || operation.phase === "cancelling";
            parts.bar.hidden = isOver || operation.percent === undefined;
            if (operation.percent !== undefined) parts.bar.value = operation.percent;
            const result = Object.entries(operation.result || {}).map(([name, count]) => `${name} ${count}`).join(", ");
            const left = operation.remainingMs === undefined ? "" : `, about ${seconds(operation.remainingMs / 1000)} left`;
            parts.percent.textContent = isOver ? result : operation.percent === undefined ? "" : `${operation.percent} %${left}`;
            parts.message.textContent = operation.message || "";
            parts.message.hidden = !operation.message;
            return parts.box;
          }
          function showOperations(list) {
            const items = list.items.slice(-20).reverse();
            const place = $("operations");
            for (const id of [...shown.keys()]) if (!items.some(operation => operation.id === id)) shown.delete(id);
            if (items.length === 0) return place.replaceChildren(make("p", "hint", "none"));
            items.map(showOperation).forEach((box, index) => {
              if (place.children[index] !== box) place.insertBefore(box, place.children[index] || null);
            });
            while (place.children.length > items.length) place.lastChild.remove();
          }
          async function operations() {
            try {
              const list = await ask("/v1/operations");
              showOperations(list);
              offerOperations(list.kinds);
            } catch (error) {
              $("operations").replaceChildren(make("p", "hint", error.message));
            }
          }
          function offerOperations(kinds) {
            const place = $("operations-run");
            if (!isTrusted) return place.replaceChildren(make("p", "hint", "to start or cancel one, show a token"));
            if (place.querySelector("form")) return;
            const form = make("form");
            const field = (text, element, id) => {
              element.id = id;
              const label = make("label", "", text);
              label.htmlFor = id;
              form.append(label, element);
              return element;
            };
            const kind = field("Do", make("select"), "operation-kind");
            for (const name of ["warm", ...kinds.filter(name => name !== "warm")]) { const option = make("option", "", name); option.value = name; kind.append(option); }
            const keys = field("Keys", make("input"), "operation-keys");
            keys.type = "text";
            keys.placeholder = "with spaces between, to warm";
            kind.addEventListener("change", () => { keys.disabled = kind.value !== "warm"; });
            const run = make("button", "", "Start");
            run.type = "submit";
            form.append(run, make("span", "hint", "in the group that is chosen under “Explain a key”"));
            form.addEventListener("submit", event => {
              event.preventDefault();
              const wanted = { kind: kind.value };
              if (kind.value !== "drain") wanted.group = $("explain-group").value;
              if (kind.value === "warm") wanted.keys = keys.value.split(/\s+/).filter(key => key !== "");
              if (kind.value === "clear" && !confirm(`Clear the group ${wanted.group} on every node?`)) return;
              if (kind.value === "drain" && !confirm("Stop this node?")) return;
              change("/v1/operations", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wanted) });
            });
            place.replaceChildren(form);
          }
          // It stays until the next one is asked for.
          function failed(error) { $("operations-message").textContent = error.message; }
          function change(path, options) {
            $("operations-message").textContent = "";
            ask(path, options).then(operations, failed);
          }

          // The loop: one question at a time, none while nobody looks.
          let asked = 0;
          async function tick() {
            if (document.hidden) return;
            try {
              const view = await ask("/v1/overview");
              const now = performance.now();
              const elapsed = Math.max(0.001, (now - asked) / 1000);
              // After a while without looks, what has passed is no rate of now.
              if (elapsed > 10) last = null;
              asked = now;
              isTrusted = view.isTrusted;
              $("right").textContent = isTrusted ? "token accepted" : token ? "token not accepted" : "read-only";
              $("node").textContent = (view.id ? brief(view.id) : "this node") + " · " + view.dialect + " · ring " + view.ring;
              $("state").textContent = view.isDraining ? "draining" : view.ringDisagreements ? "peers go by another ring" : "";
              document.title = (view.nodes.some(node => node.state !== "up") ? "(!) " : "") + "GroupCache";
              showRing(view);
              showGroups(view, elapsed);
              last = view;
              await showChanges();
              await operations();
            } catch (error) {
              $("state").textContent = error.code ? error.message : "this node does not answer";
            }
          }
          async function run() { for (;;) { await tick(); await new Promise(done => setTimeout(done, 1000)); } }

          $("explain").addEventListener("submit", explain);
          $("access").addEventListener("submit", event => {
            event.preventDefault();
            token = $("token").value.trim();
            $("token").value = "";
            changesAfter = null;
            $("changes").replaceChildren();
            tick();
          });
          run();
        })();

        """#
}
