// SPDX-License-Identifier: Apache-2.0

extension DashboardFiles {
    /// The page. Everything that it shows comes from the admin port it came from.
    static let page = #"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>GroupCache</title>
        <link rel="icon" href="/static/icon.svg" type="image/svg+xml">
        <link rel="stylesheet" href="/static/style.css">
        <script src="/static/app.js" defer></script>
        </head>
        <body>
        <a class="skip" href="#main">To the content</a>
        <header>
          <h1>GroupCache</h1>
          <p id="node" class="node">asking…</p>
          <p id="state" role="status" aria-live="polite"></p>
          <form id="access" autocomplete="off">
            <label for="token">Token</label>
            <input id="token" type="password" autocomplete="off" spellcheck="false" placeholder="to act, and to see keys">
            <button type="submit">Use</button>
            <span id="right" class="hint" role="status">read-only</span>
          </form>
        </header>
        <main id="main">
          <section aria-labelledby="ring-title" class="ring">
            <h2 id="ring-title">Ring</h2>
            <div class="ringbody">
              <svg id="ring" viewBox="0 0 220 220" role="img" aria-labelledby="ring-title ring-text"></svg>
              <p id="ring-text" class="visually-hidden"></p>
              <div class="scroll" tabindex="0" role="region" aria-label="Nodes of the ring">
                <table>
                  <caption class="visually-hidden">Nodes, their shares of all keys, and their health as this node sees it</caption>
                  <thead><tr><th scope="col">Node</th><th scope="col">State</th><th scope="col" class="number">Share</th><th scope="col">Changes</th><th scope="col" class="number">p95</th></tr></thead>
                  <tbody id="nodes"></tbody>
                </table>
              </div>
            </div>
          </section>
          <section aria-labelledby="groups-title" class="groups">
            <h2 id="groups-title">Groups</h2>
            <div id="groups"></div>
          </section>
          <section aria-labelledby="explain-title" class="explain">
            <h2 id="explain-title">Explain a key</h2>
            <form id="explain" autocomplete="off">
              <label for="explain-group">Group</label>
              <select id="explain-group"></select>
              <label for="explain-key">Key</label>
              <input id="explain-key" type="text" required maxlength="4096" spellcheck="false" autocapitalize="none">
              <button type="submit">Explain</button>
            </form>
            <div id="explanation" role="status" aria-live="polite"></div>
          </section>
          <section aria-labelledby="operations-title" class="operations" id="operations-section">
            <h2 id="operations-title">Operations</h2>
            <div id="operations-run"></div>
            <p id="operations-message" class="badge failed" role="status"></p>
            <div id="operations"><p class="hint">none</p></div>
          </section>
          <section aria-labelledby="changes-title" class="changes">
            <h2 id="changes-title">Changes</h2>
            <p class="hint" id="changes-hint">of keys that this node owns; keys are shown with a token</p>
            <ol id="changes" aria-label="The last changes, newest first"></ol>
          </section>
        </main>
        </body>
        </html>

        """#
}
