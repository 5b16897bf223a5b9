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
  const read = (place) => fill(JSON.parse(document.getElementById(place.dataset.spec).textContent), "");

  const rgb = (color) => color.match(/[\da-f]{2}/gi).map((part) => parseInt(part, 16));
  /* Black or white, whichever is read better on a colour: at least 4.5 : 1. */
  function ink(color) {
    const [r, g, b] = color.map((part) => part / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
  }
  /* The cells' texts as a trace over the map: Plotly's own choice of their colour is too faint on some shades. */
  function written(map, narrow) {
    const known = map.z.flat().filter((z) => z !== null);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const shades = map.colorscale.map(([, color]) => rgb(color));
    const cells = map.y.flatMap((y, n) => map.x.map((x, m) => ({ x, y, z: map.z[n][m], text: map.text[n][m] })))
      .filter((cell) => cell.z !== null);
    const shade = (z) => {
      const at = ((z - low) / (high - low || 1)) * (shades.length - 1);
      const from = Math.min(Math.floor(at), shades.length - 2);
      return shades[from].map((part, n) => part + (shades[from + 1][n] - part) * (at - from));
    };
    const small = narrow && map.x.length > 6; // the scale says the unit
    return {
      type: "scatter", mode: "text", hoverinfo: "skip", x: cells.map((cell) => cell.x), y: cells.map((cell) => cell.y),
      text: cells.map((cell) => small ? cell.text.replace("%", "") : cell.text),
      textfont: { color: cells.map((cell) => ink(shade(cell.z))), size: small ? 10 : 13 },
    };
  }

  function draw(place) {
    const { data, layout: own } = read(place);
    const narrow = place.clientWidth < 520;
    const axis = { gridcolor: css("line"), zerolinecolor: css("muted"), linecolor: css("line"), automargin: true, fixedrange: true };
    const x = data[0].x?.[0], map = data[0].type === "heatmap" && data[0];
    const dates = typeof x === "string" && /^\d{4}-\d{2}/.test(x) && !map;
    const form = dates ? { tickformat: x.length === 7 ? "%Y-%m" : "%m-%d", hoverformat: x.length === 7 ? "%Y-%m" : "%Y-%m-%d" } : {};
    if (narrow && dates) Object.assign(form, { tickangle: 0, nticks: Math.floor(place.clientWidth / 75) });
    if (narrow && map) Object.assign(form, { tickangle: 0, dtick: map.x.length > 6 ? 2 : 1 });
    const layout = {
      height: 320, dragmode: false, hovermode: "closest", paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: css("font"), size: 13, color: css("ink") }, margin: { l: 8, r: 16, t: 12, b: 8 },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, traceorder: "normal" },
      hoverlabel: { bgcolor: css("surface"), bordercolor: css("line"), font: { color: css("ink") } },
      bargap: 0.25, ...own,
      xaxis: { ...axis, ...form, ...own.xaxis }, yaxis: { ...axis, ...own.yaxis },
    };
    if (own.yaxis2) layout.yaxis2 = { ...axis, ...own.yaxis2 };
    if (typeof x === "number" && !data[0].orientation) layout.xaxis.ticksuffix = " %";
    for (const one of [layout.xaxis, layout.yaxis, layout.yaxis2]) if (one?.title) one.title.standoff = 12;
    for (const one of data) {
      if (one.type !== "bar") continue;
      if (one.texttemplate) one.insidetextfont = { color: ink(rgb(one.marker.color)) };
      if (own.barmode === "relative") one.marker.line = { color: css("surface"), width: 1 };
    }
    if (map) {
      data.push(written(map, narrow));
      layout.showlegend = false;
    }
    if (root.dataset.paper) layout.width = place.clientWidth; // which Plotly would see too late
    const locales = { en: { format: { currency: [document.body.dataset.currency, ""] } } };
    const config = { displayModeBar: false, responsive: true, locales };
    const drawn = (height) => {
      place.style.height = `${height}px`; // Plotly forgets layout.height when the window changes, and takes the place's
      Plotly.react(place, data, { ...layout, height }, config);
    };
    drawn(layout.height);
    const legend = place.querySelector("g.legend")?.getBBox().height ?? 0;
    if (legend > 40) drawn(layout.height + legend - 20); // of several lines, which would leave little of the picture
  }

  /* The numbers of a picture as a table, made when they are asked for. */
  function numbers(details) {
    const place = details.parentElement.querySelector(".plot");
    const { data, layout } = read(place);
    const plain = (value) => value === null || value === undefined ? "–" : String(value).replaceAll("&lt;", "<");
    const said = (value, one) => { // as the picture writes it
      if (typeof value !== "number") return plain(value);
      const [, money, digits, kind] = one.hovertemplate.match(/:(\$?),?\.(\d)([f%])}/);
      const style = kind === "%" ? "percent" : "decimal";
      const number = Math.abs(value).toLocaleString("en", { style, minimumFractionDigits: +digits, maximumFractionDigits: +digits });
      return (value < 0 ? "−" : "") + (money && document.body.dataset.currency) + number;
    };
    let head, rows;
    if (data[0].type === "heatmap") {
      head = [`${plain(layout.yaxis.title.text)} ╲ ${plain(layout.xaxis.title.text)}`, ...data[0].x];
      rows = data[0].y.map((name, n) => [name, ...data[0].z[n].map((z, m) => z === null ? "–" : `${said(z, data[0])} (${data[0].customdata[n][m]})`)]);
      rows.reverse(); // the last is drawn on top
    } else {
      const [at, shown] = data[0].orientation === "h" ? ["y", "x"] : ["x", "y"];
      const full = data.filter((one) => one[shown].some((value) => value !== null));
      const names = [...new Set(data.flatMap((one) => one[at]))];
      head = ["", ...full.map((one) => one.name)];
      rows = names.map((name) => [name, ...full.map((one) => {
        const n = one[at].indexOf(name), of = one.customdata?.[n], value = one[shown][n];
        return n < 0 || value === null ? "–" : said(value, one) + (of ? ` (${of})` : "");
      })]);
    }
    const table = document.createElement("table");
    table.setAttribute("aria-labelledby", place.getAttribute("aria-labelledby"));
    const line = (part, cells, scope) => {
      const row = part.insertRow();
      cells.forEach((cell, n) => {
        const made = document.createElement(scope === "col" || !n ? "th" : "td");
        if (made.tagName === "TH") made.scope = scope;
        made.textContent = plain(cell);
        // a month is one word; the axes of a map, which head the first column, are several
        made.className = n ? "number" : /^\d{4}-/.test(cell) ? "whole" : scope === "col" && cell ? "name" : "";
        row.append(made);
      });
    };
    line(table.createTHead(), head, "col");
    const body = table.createTBody();
    rows.forEach((row) => line(body, row, "row"));
    details.querySelector(".scroll").replaceChildren(table);
  }

  const plots = [...document.querySelectorAll(".plot")];
  function redraw() {
    document.querySelector("nav [aria-current]").scrollIntoView({ block: "nearest", inline: "center" });
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
