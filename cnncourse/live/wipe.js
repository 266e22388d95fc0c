(root, data) => {
  const make = (tag, props) => Object.assign(document.createElement(tag), props);
  const stage = make("div", { className: "wipe" });
  const look = data.pixels ? "pixels" : "";
  const below = make("img", { src: data.pictures[1], alt: data.titles[1], className: look });
  const above = make("img", { src: data.pictures[0], alt: data.titles[0], className: look });
  const controls = make("div", { className: "controls" });
  const slider = make("input", { type: "range", min: 0, max: 100, value: data.start });
  slider.setAttribute("aria-label", `Border between ${data.titles[0]} and ${data.titles[1]}`);

  const show = () => { above.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`; };
  const drag = (event) => {
    if (event.type === "pointerdown") stage.setPointerCapture(event.pointerId);
    if (!event.buttons) return;
    const box = stage.getBoundingClientRect();
    slider.value = (100 * (event.clientX - box.left)) / box.width;
    show();
  };
  stage.onpointerdown = stage.onpointermove = drag;
  slider.oninput = show;
  stage.append(below, above);
  controls.append(make("span", { textContent: data.titles[0] }), slider, make("span", { textContent: data.titles[1] }));
  root.append(stage, controls);
  show();
}
