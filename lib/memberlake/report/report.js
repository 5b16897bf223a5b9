/* Language, light or dark, and the pictures. Figures, tables and definitions are plain HTML and need none of this. */
(() => {
  const root = document.documentElement;
  const keep = (name, value) => { try { localStorage.setItem(`memberlake.${name}`, value); } catch { /* not kept, then */ } };
  const lang = () => (root.lang === "zh-CN" ? "zh" : "en");
  const css = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

  /* A spec with the reader's language and colours put in: {en, zh} is a text, "$1" under color a colour of report.css. */
  function fill(node, key) {
    if (typeof node === "string") return node[0] === "$" && key.startsWith("color") ? css(`c-${node.slice(1)}`) : node;
    if (Array.isArray(node)) return node.map((each) => fill(each, key));
    if (node === null || typeof node !== "object") return node;
    if ("en" in node && "zh" in node) return node[lang()];
    return Object.fromEntries(Object.entries(node).map(([name, value]) => [name, fill(value, name)]));
  }

  function draw(place) {
    const spec = fill(JSON.parse(document.getElementById(place.dataset.spec).textContent), "");
    const narrow = place.clientWidth < 520;
    const axis = { gridcolor: css("line"), zerolinecolor: css("muted"), linecolor: css("line"), automargin: true, fixedrange: true };
    const x = spec.data[0].x?.[0];
    const dates = typeof x === "string" && /^\d{4}-\d{2}/.test(x) && spec.data[0].type !== "heatmap";
    const form = dates ? { tickformat: x.length === 7 ? "%Y-%m" : "%m-%d", hoverformat: x.length === 7 ? "%Y-%m" : "%Y-%m-%d" } : {};
    const layout = {
      height: 320, dragmode: false, hovermode: "closest", paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: css("font"), size: 13, color: css("ink") }, margin: { l: 8, r: 16, t: 12, b: 8 },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, traceorder: "normal" },
      hoverlabel: { bgcolor: css("surface"), bordercolor: css("line"), font: { color: css("ink") } },
      bargap: 0.25, ...spec.layout,
      xaxis: { ...axis, ...form, ...spec.layout.xaxis }, yaxis: { ...axis, ...spec.layout.yaxis },
    };
    if (spec.layout.yaxis2) layout.yaxis2 = { ...axis, ...spec.layout.yaxis2 };
    if (typeof x === "number" && !spec.data[0].orientation) layout.xaxis.ticksuffix = " %";
    for (const one of [layout.xaxis, layout.yaxis]) if (one.title) one.title.standoff = 12;
    if (spec.data[0].type === "heatmap" && narrow && spec.data[0].x.length > 6) spec.data[0].texttemplate = "";
    if (root.dataset.paper) layout.width = place.clientWidth; // which Plotly would see too late
    place.style.height = `${layout.height}px`; // Plotly forgets layout.height when the window changes, and takes the place's
    Plotly.react(place, spec.data, layout, { displayModeBar: false, responsive: true });
  }

  /* The numbers of a picture as a table, made when they are asked for. */
  function numbers(details) {
    const { data, layout } = fill(JSON.parse(details.parentElement.querySelector("script").textContent), "");
    const plain = (value) => value === null || value === undefined ? "–" : String(value).replaceAll("&lt;", "<");
    const digits = (value) => Math.abs(value) < 1000 ? { maximumSignificantDigits: 6 } : { maximumFractionDigits: 2 };
    const share = (one) => /:[^}]*%}/.test(one.hovertemplate); // in per cent, as the picture writes it
    const said = (value, one) => typeof value !== "number" ? plain(value)
      : share(one) ? value.toLocaleString("en", { style: "percent", maximumSignificantDigits: 6 })
      : value.toLocaleString("en", digits(value));
    let head, rows;
    if (data[0].type === "heatmap") {
      head = [`${plain(layout.yaxis.title.text)} ╲ ${plain(layout.xaxis.title.text)}`, ...data[0].x];
      rows = data[0].y.map((name, n) => [name, ...data[0].z[n].map((z, m) => z === null ? "–" : `${said(z, data[0])} (${data[0].customdata[n][m]})`)]);
    } else {
      const [at, shown] = data[0].orientation === "h" ? ["y", "x"] : ["x", "y"];
      const names = [...new Set(data.flatMap((one) => one[at]))];
      head = ["", ...data.map((one) => one.name)];
      rows = names.map((name) => [name, ...data.map((one) => {
        const n = one[at].indexOf(name), of = one.customdata?.[n];
        return n < 0 ? "–" : said(one[shown][n], one) + (of ? ` (${of})` : "");
      })]);
    }
    const table = document.createElement("table");
    const line = (cells, tag) => {
      const row = table.insertRow();
      cells.forEach((cell, n) => {
        const made = document.createElement(tag);
        made.textContent = plain(cell);
        if (n) made.className = "number";
        row.append(made);
      });
    };
    line(head, "th");
    rows.forEach((row) => line(row, "td"));
    details.querySelector(".scroll").replaceChildren(table);
  }

  const plots = [...document.querySelectorAll(".plot")];
  function redraw() {
    document.title = [document.querySelector("h1"), document.querySelector(".brand")].map((e) => e.innerText.trim()).join(" · ");
    plots.forEach(draw);
    document.querySelectorAll(".numbers[open]").forEach(numbers);
  }
  document.getElementById("switch").addEventListener("click", () => {
    root.lang = root.lang === "en" ? "zh-CN" : "en";
    keep("lang", root.lang);
    redraw();
  });
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    keep("theme", root.dataset.theme);
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.querySelectorAll(".numbers").forEach((each) => each.addEventListener("toggle", () => each.open && numbers(each)));
  document.querySelector("nav [aria-current]").scrollIntoView({ block: "nearest", inline: "center" });

  /* On paper: light, every definition open, pictures as wide as the page. */
  let before;
  const glossaries = [...document.querySelectorAll(".glossary")];
  addEventListener("beforeprint", () => {
    before = { theme: root.dataset.theme, open: glossaries.map((each) => each.open) };
    root.dataset.theme = "light";
    root.dataset.paper = "true";
    glossaries.forEach((each) => { each.open = true; });
    plots.forEach(draw);
  });
  addEventListener("afterprint", () => {
    if (before.theme) root.dataset.theme = before.theme; else delete root.dataset.theme;
    delete root.dataset.paper;
    glossaries.forEach((each, n) => { each.open = before.open[n]; });
    plots.forEach(draw);
  });

  redraw();
  root.dataset.drawn = "true";
})();
