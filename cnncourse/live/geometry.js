(root, data) => {
  const make = (tag, props) => Object.assign(document.createElement(tag), props);
  const draw = (tag, attributes, text = "") => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const name in attributes) shape.setAttribute(name, attributes[name]);
    shape.textContent = text;
    return shape;
  };
  const SIDE = 30; // of a cell, in units of the drawing
  const svg = draw("svg", { class: "axis", role: "img" });
  const formula = make("div", { className: "label" });
  const legend = make("div", {
    className: "label",
    textContent: "Above: the outputs, numbered. Below: the pixels, each with the number of outputs in which it takes part (shaded: none); dashed: padding.",
  });
  const reads = make("div", { className: "label" });
  formula.setAttribute("aria-live", "polite");

  const sliders = make("div", { className: "sliders" });
  const slider = (title, min, max, value) => {
    const label = make("label", {});
    const input = make("input", { type: "range", min, max, value });
    input.setAttribute("aria-label", title);
    label.append(make("span", { textContent: title }), input, make("output", { textContent: value }));
    sliders.append(label);
    return input;
  };
  const inputs = data.sliders.map((words) => slider(...words));
  const pick = slider("output shown", 0, 0, 0);

  const update = () => {
    const [H, R, s, p, d] = inputs.map((input) => Number(input.value));
    const room = H + 2 * p - d * (R - 1) - 1;
    const count = room < 0 ? 0 : Math.floor(room / s) + 1;
    pick.max = Math.max(0, count - 1); // the browser keeps the value within
    const chosen = Number(pick.value);
    for (const input of [...inputs, pick]) input.nextSibling.textContent = input.value;
    const window = (k) => Array.from({ length: R }, (_, r) => k * s + r * d - p);
    const windows = Array.from({ length: count }, (_, k) => window(k));
    const counts = Array.from({ length: H }, (_, i) => windows.filter((w) => w.includes(i)).length);
    root.host.result = { count, counts };

    formula.textContent = `⌊(${H} + 2·${p} − ${d}·(${R} − 1) − 1) / ${s}⌋ + 1 = `
      + (count ? `${count} output${count > 1 ? "s" : ""}`
        : `${Math.floor(room / s) + 1}: the kernel reaches over ${d * (R - 1) + 1} pixels, and with its padding the row has ${H + 2 * p}`);
    const seen = windows[chosen]?.map((i) => (i >= 0 && i < H ? `pixel ${i}` : "padding"));
    reads.textContent = count ? `Output ${chosen} reads ${seen.join(", ")}.` : "";

    const middle = (i) => (i + p + 0.5) * SIDE;
    const cell = (i, top, kind, text) => [
      draw("rect", { x: middle(i) - SIDE / 2 + 1, y: top, width: SIDE - 2, height: SIDE - 2, rx: 3, class: kind }),
      draw("text", { x: middle(i), y: top + SIDE / 2 - 1 }, text),
    ];
    const shapes = [];
    windows.forEach((w, k) => w.forEach((i) => shapes.push(draw("line", {
      x1: middle(i), y1: 3 * SIDE, x2: middle((w[0] + w[R - 1]) / 2), y2: SIDE,
      class: k === chosen ? "on" : "" }))));
    shapes.sort((a, b) => a.classList.contains("on") - b.classList.contains("on"));
    for (let i = -p; i < H + p; i += 1) {
      const inside = i >= 0 && i < H;
      const kind = [inside ? "" : "padding", inside && !counts[i] ? "unread" : "",
        windows[chosen]?.includes(i) ? "on" : ""].join(" ");
      shapes.push(...cell(i, 3 * SIDE, kind, inside ? counts[i] : ""));
    }
    windows.forEach((w, k) => {
      const output = cell((w[0] + w[R - 1]) / 2, 1, `output ${k === chosen ? "on" : ""}`, k);
      output[0].onpointermove = output[0].onpointerdown = () => { // not when a drawing appears under it
        if (k === Number(pick.value)) return;
        pick.value = k;
        update();
      };
      shapes.push(...output);
    });
    svg.replaceChildren(...shapes);
    svg.setAttribute("viewBox", `0 0 ${(H + 2 * p) * SIDE} ${4 * SIDE + 2}`);
    svg.style.maxWidth = `${(H + 2 * p) * 2.4}rem`;
    svg.setAttribute("aria-label", `${data.alt} Now: ${formula.textContent}. ${reads.textContent}`);
  };
  sliders.oninput = update;
  root.append(svg, legend, sliders, formula, reads);
  update();
}
