/* Interactive drawing of a provenance graph. Positions, texts and lists come from the server. */
"use strict";
(() => {
  const dataElement = document.getElementById("graph-data");
  if (!dataElement || !window.cytoscape) return;
  const started = performance.now();
  const data = JSON.parse(dataElement.textContent);
  const canvas = document.getElementById("graph-canvas");
  const details = document.getElementById("graph-details");
  const tools = document.querySelector(".graph-tools");
  const [nodeWidth, nodeHeight] = data.nodeSize;
  const SHAPES = {entity: "round-rectangle", url: "cut-rectangle", activity: "round-rectangle", task: "rectangle", code: "rectangle"};

  /* Points of an edge as control points, relative to the line between its ends. */
  function createEdge(route, number) {
    const source = data.nodes[route.sources[0]].position, target = data.nodes[route.targets[0]].position;
    const first = route.points[0], last = route.points.at(-1);
    const [dx, dy] = [last[0] - first[0], last[1] - first[1]], length = Math.hypot(dx, dy) || 1;
    const controls = route.points.slice(1).flatMap(([x, y], index) => {
      const [previousX, previousY] = route.points[index], middle = (previousX + x) / 2;
      const inset = Math.sign(x - previousX) * 8;  // a control point at an end of an edge is invalid
      if (previousY === y) return [[previousX + inset, y], [x - inset, y]];
      return [[middle, previousY], [middle, y]];
    });
    const relative = controls.map(([x, y]) => [x - first[0], y - first[1]]);
    const isStraight = controls.every(([, y]) => y === first[1]);
    return {
      group: "edges", classes: isStraight ? `${route.role} straight` : route.role,
      data: {
        id: `route-${number}`, source: `node-${route.sources[0]}`, target: `node-${route.targets[0]}`,
        start: `${first[0] - source[0]}px ${first[1] - source[1]}px`, end: `${last[0] - target[0]}px ${last[1] - target[1]}px`,
        weights: relative.map(([x, y]) => (x * dx + y * dy) / length ** 2).join(" "),
        distances: relative.map(([x, y]) => (y * dx - x * dy) / length).join(" "),
      },
    };
  }

  function createElements() {
    const nodes = data.nodes.map((node, number) => ({
      group: "nodes", classes: [node.kind, node.focus ? "focus" : "", node.gap ? "has-gap" : ""].join(" "),
      data: {id: `node-${number}`, label: `${node.lines[0]}${node.gap ? " ⚠" : ""}\n${node.lines[1]}`, shape: SHAPES[node.kind]},
      position: {x: node.position[0], y: node.position[1]},
    }));
    const frames = data.frames.map(([x, y, width, height], number) => ({
      group: "nodes", classes: "frame", selectable: false, data: {id: `frame-${number}`, width, height}, position: {x, y},
    }));
    return [...frames, ...nodes, ...data.routes.map(createEdge)];
  }

  function createStyle() {
    const computed = getComputedStyle(document.documentElement);
    const color = (name) => computed.getPropertyValue(`--graph-${name}`).trim();
    const kinds = Object.keys(SHAPES).map((kind) => ({selector: `node.${kind}`, style: {"background-color": color(kind)}}));
    return [
      {selector: "node", style: {
        width: nodeWidth, height: nodeHeight, shape: "data(shape)", label: "data(label)", color: color("text"),
        "font-family": "system-ui, sans-serif", "font-size": 12, "line-height": 1.3, "text-wrap": "wrap", "text-max-width": nodeWidth,
        "text-valign": "center", "text-halign": "center", "border-width": 1, "border-color": color("edge"), "min-zoomed-font-size": 4,
      }},
      ...kinds,
      {selector: "node.activity", style: {"corner-radius": nodeHeight / 2}},
      {selector: "node.has-gap", style: {"border-style": "dashed", "border-width": 2, "border-color": color("gap")}},
      {selector: "node.focus", style: {"border-width": 4, "border-style": "solid", "border-color": color("focus")}},
      {selector: "node.frame", style: {
        width: "data(width)", height: "data(height)", shape: "round-rectangle", label: "", events: "no",
        "background-color": color("surface"), "border-color": color("border"), "z-index": 0, "z-index-compare": "manual",
      }},
      {selector: "edge", style: {
        width: 1.5, "line-color": color("edge"), "target-arrow-color": color("edge"), "target-arrow-shape": "triangle", "arrow-scale": 0.8,
        "curve-style": "unbundled-bezier", "edge-distances": "endpoints", "source-endpoint": "data(start)", "target-endpoint": "data(end)",
        "control-point-weights": "data(weights)", "control-point-distances": "data(distances)", "z-index": 1, "z-index-compare": "manual", events: "no",
      }},
      {selector: "edge.straight", style: {"curve-style": "straight"}},
      {selector: "node[shape]", style: {"z-index": 2, "z-index-compare": "manual"}},
      {selector: "edge.executed", style: {"line-style": "dashed"}},
      {selector: "edge.gap", style: {"line-style": "dotted", "line-color": color("gap"), "target-arrow-color": color("gap")}},
      {selector: ".dim", style: {opacity: 0.25}},
      {selector: "node.chosen", style: {"border-width": 5, "border-style": "double", "border-color": color("focus")}},
      {selector: "edge.related", style: {width: 2.5, "line-color": color("focus"), "target-arrow-color": color("focus")}},
    ];
  }

  canvas.hidden = false;
  canvas.style.height = `clamp(12rem, ${data.size[1] + 80}px, min(70vh, 48rem))`;
  document.querySelector(".graph-static").hidden = true;
  tools.hidden = false;
  document.getElementById("graph-help").hidden = false;
  const cy = cytoscape({
    container: canvas, elements: createElements(), style: createStyle(), layout: {name: "preset"},
    autoungrabify: true, boxSelectionEnabled: false, userZoomingEnabled: false, minZoom: 0.02, maxZoom: 3,
  });

  /* Show all if it remains legible, otherwise the first node that the drawing is about. */
  function showStart() {
    cy.fit(undefined, 16);
    if (cy.zoom() > 1) cy.zoom(1);
    cy.center();
    if (cy.zoom() >= 0.6) return;
    const level = 0.8, start = data.nodes.find((node) => node.focus) ?? data.nodes[0];
    const pan = [cy.width(), cy.height()].map((size, axis) => {
      const content = data.size[axis] * level, wanted = size / 2 - start.position[axis] * level;
      return content < size ? (size - content) / 2 : Math.min(0, Math.max(size - content, wanted));
    });
    cy.viewport({zoom: level, pan: {x: pan[0], y: pan[1]}});
  }
  showStart();
  performance.measure("provenance-drawing", {start: started});

  const upstream = data.nodes.map(() => []), downstream = data.nodes.map(() => []);
  data.routes.forEach((route, number) => {
    for (const node of route.sources) downstream[node].push(number);
    for (const node of route.targets) upstream[node].push(number);
  });

  /* Nodes and routes that can be reached from a node in one direction. */
  function walk(start, links, end, nodes, routes) {
    const waiting = [start], seen = new Set(waiting);
    while (waiting.length) {
      for (const number of links[waiting.pop()]) {
        routes.add(`route-${number}`);
        for (const node of data.routes[number][end]) if (!seen.has(node)) { seen.add(node); waiting.push(node); }
      }
    }
    for (const node of seen) nodes.add(`node-${node}`);
  }

  let chosen = null;
  function choose(number) {
    chosen = number;
    cy.batch(() => {
      cy.elements().removeClass("dim related chosen");
      if (number === null) return;
      const nodes = new Set(), routes = new Set();
      walk(number, upstream, "sources", nodes, routes);
      walk(number, downstream, "targets", nodes, routes);
      cy.nodes("[shape]").forEach((node) => { if (!nodes.has(node.id())) node.addClass("dim"); });
      cy.edges().forEach((edge) => { edge.addClass(routes.has(edge.id()) ? "related" : "dim"); });
      cy.getElementById(`node-${number}`).addClass("chosen");
    });
    showDetails(number);
    if (number !== null) reveal(number);
    cy.resize();
  }

  function showDetails(number) {
    details.hidden = number === null;
    if (number === null) return details.replaceChildren();
    const copy = document.getElementById(`node-${number}`).cloneNode(true);
    details.replaceChildren(...copy.childNodes);
    for (const link of details.querySelectorAll('a[href^="#node-"]')) {
      link.addEventListener("click", (event) => { event.preventDefault(); choose(Number(link.hash.slice(6))); canvas.focus(); });
    }
  }

  function reveal(number) {
    cy.resize();
    const box = cy.getElementById(`node-${number}`).renderedBoundingBox();
    if (box.x1 < 0 || box.y1 < 0 || box.x2 > cy.width() || box.y2 > cy.height()) cy.center(cy.getElementById(`node-${number}`));
  }

  function zoom(factor) {
    cy.zoom({level: cy.zoom() * factor, renderedPosition: {x: cy.width() / 2, y: cy.height() / 2}});
  }

  /* Nearest node above (-1) or below (1), preferably in the same column. */
  function findVertical(direction) {
    const [x, y] = data.nodes[chosen].position;
    let best = null, smallest = Infinity;
    data.nodes.forEach(({position}, number) => {
      const distance = (position[1] - y) * direction;
      if (distance <= 0) return;
      const cost = distance + 3 * Math.abs(position[0] - x);
      if (cost < smallest) [best, smallest] = [number, cost];
    });
    return best;
  }

  function move(key) {
    if (chosen === null) return Math.max(0, data.nodes.findIndex((node) => node.focus));
    if (key === "ArrowLeft") return upstream[chosen].length ? data.routes[upstream[chosen][0]].sources[0] : null;
    if (key === "ArrowRight") return downstream[chosen].length ? data.routes[downstream[chosen][0]].targets[0] : null;
    return findVertical(key === "ArrowUp" ? -1 : 1);
  }

  const keys = {
    "+": () => zoom(1.25), "-": () => zoom(0.8), 0: () => cy.fit(undefined, 16), Escape: () => choose(null),
    Enter: () => details.querySelector("h3 a")?.click(),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.startsWith("Arrow")) {
      const next = move(event.key);
      if (next !== null) choose(next);
    } else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("focus", () => cy.userZoomingEnabled(true));
  canvas.addEventListener("blur", () => cy.userZoomingEnabled(false));
  cy.on("tap", (event) => {
    canvas.focus({preventScroll: true});
    const id = event.target === cy ? "" : event.target.id();
    choose(id.startsWith("node-") ? Number(id.slice(5)) : null);
  });
  tools.addEventListener("click", (event) => {
    ({"zoom-in": keys["+"], "zoom-out": keys["-"], fit: keys[0]})[event.target.dataset.action]?.();
  });

  /* The search dims the other nodes and hides them in the list. */
  document.getElementById("graph-search").addEventListener("input", (event) => {
    const text = event.target.value.trim().toLowerCase();
    choose(null);
    const items = data.nodes.map((_, number) => document.getElementById(`node-${number}`));
    const found = items.map((item) => [...item.querySelectorAll("h3, p")].some((part) => part.textContent.toLowerCase().includes(text)));
    items.forEach((item, number) => { item.hidden = !found[number]; });
    cy.batch(() => found.forEach((isFound, number) => cy.getElementById(`node-${number}`).toggleClass("dim", !isFound)));
    const count = found.filter(Boolean).length;
    document.getElementById("graph-found").textContent = text ? `${count} found` : "";
    if (text && count === 1) reveal(found.indexOf(true));
  });

  const restyle = () => cy.style(createStyle());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
  new MutationObserver(restyle).observe(document.documentElement, {attributeFilter: ["data-theme"]});
  canvas.dataset.ready = "true";
})();
