(root, data) => {
  const make = (tag, props) => Object.assign(document.createElement(tag), props);
  const rows = data.outputs.length / data.columns;
  const [R, S] = [data.kernel.length, data.kernel[0].length];

  const table = (values, title) => {
    const figure = make("figure", { className: "grid" });
    const body = make("table", {});
    for (const row of values) {
      const line = body.insertRow();
      for (const value of row) line.insertCell().textContent = value;
    }
    figure.append(body, make("figcaption", { textContent: title }));
    return figure;
  };
  const empty = Array.from({ length: rows }, () => Array(data.columns).fill(""));
  const [image, kernel, output] = [
    table(data.image, data.padding ? "image and its padding" : "image"), table(data.kernel, "kernel"), table(empty, "output"),
  ];
  const { stride, padding } = data;
  const [H, W] = [data.image.length, data.image[0].length];
  const cell = (figure, i, j) => figure.querySelector("table").rows[i].cells[j];
  data.image.forEach((row, r) => row.forEach((_, c) => cell(image, r, c).classList.toggle(
    "padding", Math.min(r, c, H - 1 - r, W - 1 - c) < padding)));

  const grids = make("div", { className: "grids" });
  grids.append(image, make("span", { textContent: "⋆" }), kernel, make("span", { textContent: "=" }), output);
  const sum = make("div", { className: "label" });
  sum.setAttribute("aria-live", "polite");
  const controls = make("div", { className: "controls" });
  const back = make("button", { type: "button", textContent: "◀ Back" });
  const next = make("button", { type: "button", textContent: "Next ▶" });
  const slider = make("input", { type: "range", min: 0, max: data.outputs.length - 1, value: 0 });
  slider.setAttribute("aria-label", "Position of the kernel");

  const show = (step) => {
    step = Math.max(0, Math.min(data.outputs.length - 1, step));
    slider.value = step;
    const [i, j] = [Math.floor(step / data.columns), step % data.columns];
    const [top, left] = [i * stride, j * stride];
    data.image.forEach((row, r) => row.forEach((_, c) => cell(image, r, c).classList.toggle(
      "on", r >= top && r < top + R && c >= left && c < left + S)));
    data.outputs.forEach((value, k) => {
      const target = cell(output, Math.floor(k / data.columns), k % data.columns);
      target.textContent = k <= step ? value : "";
      target.classList.toggle("on", k === step);
    });
    sum.textContent = `Row ${i}, column ${j}: ${data.sums[step]}`;
    slider.setAttribute("aria-valuetext", sum.textContent);
  };
  back.onclick = () => show(Number(slider.value) - 1);
  next.onclick = () => show(Number(slider.value) + 1);
  slider.oninput = () => show(Number(slider.value));
  controls.append(back, slider, next);
  root.append(grids, sum, controls);
  show(0);
}
