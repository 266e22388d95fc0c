(root, data) => {
  const make = (tag, props) => Object.assign(document.createElement(tag), props);
  const stage = make("div", { className: "stage" });
  const picture = make("img", { className: data.pixels ? "pixels" : "" });
  const label = make("div", { className: "label" });
  const controls = make("div", { className: "controls" });
  const play = make("button", { type: "button", textContent: "▶ Play" });
  const slider = make("input", { type: "range", min: 0, max: data.pictures.length - 1, value: 0 });
  slider.setAttribute("aria-label", "Frame");
  let timer = null;

  const show = (i) => {
    slider.value = i;
    picture.src = data.pictures[i];
    picture.alt = `${data.alt} Frame ${i + 1} of ${data.pictures.length}: ${data.titles[i]}`;
    label.textContent = data.titles[i];
    slider.setAttribute("aria-valuetext", data.titles[i]);
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶ Play";
  };
  play.onclick = () => {
    if (timer) return stop();
    play.textContent = "❚❚ Pause";
    timer = setInterval(() => show((Number(slider.value) + 1) % data.pictures.length), 600);
  };
  slider.oninput = () => { stop(); show(Number(slider.value)); };

  stage.append(picture, label);
  controls.append(play, slider);
  stage.append(controls);
  root.append(stage);
  show(0);
}
