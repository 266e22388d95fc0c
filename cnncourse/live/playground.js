(root, data) => {
  const make = (tag, props) => Object.assign(document.createElement(tag), props);
  const { height: H, width: W } = data;
  const image = Float64Array.from(atob(data.pixels), (c) => c.charCodeAt(0) / 255);
  const result = new Float64Array(H * W);
  root.host.result = result;

  const screen = (title) => {
    const canvas = make("canvas", { width: W, height: H });
    canvas.setAttribute("role", "img");
    const figure = make("figure", { className: "screen" });
    figure.append(canvas, make("figcaption", { textContent: title }));
    return [figure, canvas];
  };
  const [leftFigure, left] = screen("photograph");
  const [rightFigure, right] = screen("result");
  left.setAttribute("aria-label", data.alt);

  const preset = make("select", {});
  preset.setAttribute("aria-label", "Kernel to start from");
  data.names.forEach((name, i) => preset.append(make("option", { value: i, textContent: name })));
  preset.append(make("option", { value: -1, textContent: "my own", hidden: true }));
  const weights = make("div", { className: "weights" });
  const inputs = Array.from({ length: 9 }, (_, k) => {
    const input = make("input", { type: "number", step: "any" });
    input.setAttribute("aria-label", `Weight in row ${Math.floor(k / 3)}, column ${k % 3}`);
    weights.append(input);
    return input;
  });
  const label = make("div", { className: "label" });
  const sum = make("div", { className: "label" });
  label.setAttribute("aria-live", "polite");

  const paint = (canvas, values, low, high) => {
    const context = canvas.getContext("2d");
    const picture = context.createImageData(W, H);
    values.forEach((value, k) => {
      const grey = (255 * (value - low)) / (high - low);
      picture.data.set([grey, grey, grey, 255], 4 * k); // the array clamps to 0 … 255
    });
    context.putImageData(picture, 0, 0);
  };
  const clamp = (value, last) => Math.max(0, Math.min(last, value)); // border "replicate"
  const patch = (i, j) => inputs.map((_, k) =>
    image[clamp(i + Math.floor(k / 3) - 1, H - 1) * W + clamp(j + (k % 3) - 1, W - 1)]);
  const short = (value) => Number(value.toFixed(4));
  let w = null; // the nine weights, exact; the inputs show them rounded
  let mark = null; // row and column under the pointer

  const spell = () => {
    if (!mark) return;
    const [i, j] = mark;
    const terms = patch(i, j).map((value, k) =>
      `${value.toFixed(2)}·${w[k] < 0 ? `(${short(w[k])})` : short(w[k])}`);
    sum.textContent = `Row ${i}, column ${j}: ${terms.join(" + ")} = ${result[i * W + j].toFixed(2)}`;
  };
  const update = () => {
    for (let i = 0; i < H; i++)
      for (let j = 0; j < W; j++)
        result[i * W + j] = patch(i, j).reduce((total, value, k) => total + value * w[k], 0);
    const total = w.reduce((a, b) => a + b, 0);
    const signed = Math.abs(total) < 1e-9;
    label.textContent = signed
      ? "The weights sum to 0, so mid-grey is drawn for 0."
      : `The weights sum to ${Number(total.toPrecision(3))}: a flat grey area is multiplied by that.`;
    right.setAttribute("aria-label", `The photograph filtered with ${w.map(short).join(", ")}`);
    paint(right, result, signed ? -1 : 0, 1);
    spell();
  };
  const point = (event) => {
    const box = event.target.getBoundingClientRect();
    const i = clamp(Math.floor(((event.clientY - box.top) / box.height) * H), H - 1);
    const j = clamp(Math.floor(((event.clientX - box.left) / box.width) * W), W - 1);
    mark = [i, j];
    spell();
    paint(left, image, 0, 1);
    const context = left.getContext("2d");
    context.strokeStyle = "#D55E00";
    context.strokeRect(j - 1.5, i - 1.5, 4, 4);
  };

  preset.onchange = () => {
    w = [...data.kernels[preset.value]];
    w.forEach((value, k) => { inputs[k].value = short(value); });
    update();
  };
  weights.oninput = (event) => { // only the weight that was typed: the others stay exact
    w[inputs.indexOf(event.target)] = Number(event.target.value) || 0;
    preset.value = -1;
    update();
  };
  for (const canvas of [left, right]) canvas.onpointermove = canvas.onpointerdown = point;

  const screens = make("div", { className: "screens" });
  screens.append(leftFigure, rightFigure);
  const controls = make("div", { className: "controls" });
  controls.append(preset, weights);
  sum.textContent = "Point at a picture to see one sum.";
  root.append(screens, controls, label, sum);
  preset.value = 0;
  preset.onchange();
  paint(left, image, 0, 1);
}
