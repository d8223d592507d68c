// What a person sees: texts (those that uPlot paints, too), names in legends, colours, what is cut off.
const LEGEND = '[data-testid^="data-testid VizLegend series "]';
const painted = new WeakMap(); // canvas -> {texts, colours} since it was last wiped
const of = (canvas) => {
  if (!painted.has(canvas)) painted.set(canvas, { texts: new Set(), colours: new Set() });
  return painted.get(canvas);
};
const context = CanvasRenderingContext2D.prototype;
const after = (name, note) => {
  const plain = context[name];
  context[name] = function (...given) {
    note(this, given);
    return plain.apply(this, given);
  };
};
after('clearRect', ({ canvas }) => painted.delete(canvas));
after('fillText', ({ canvas }, [text]) => text && of(canvas).texts.add(text));
for (const [verb, style] of [['stroke', 'strokeStyle'], ['fill', 'fillStyle'], ['fillRect', 'fillStyle']]) {
  after(verb, (ctx) => typeof ctx[style] === 'string' && of(ctx.canvas).colours.add(ctx[style]));
}

// #rrggbb of what CSS and canvas say, without its opacity; nothing where it is transparent
function hex(colour) {
  const [, ...numbers] = colour.match(/rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)/) ?? [];
  if (!numbers.length) return colour.startsWith('#') ? [colour.slice(0, 7).toLowerCase()] : [];
  if (numbers[3] === '0') return [];
  return [`#${numbers.slice(0, 3).map((one) => Math.round(one).toString(16).padStart(2, '0')).join('')}`];
}

const inside = (one, frame) =>
  one.width > 0 && one.height > 0 && one.bottom > frame.top && one.top < frame.bottom
  && one.right > frame.left && one.left < frame.right;

function* written(panel) {
  const frame = panel.getBoundingClientRect();
  const walker = document.createTreeWalker(panel, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.textContent.trim();
    const element = node.parentElement;
    if (!text || !inside(element.getBoundingClientRect(), frame)) continue;
    if (getComputedStyle(element).visibility === 'hidden') continue;
    yield { text, element, node };
  }
}

// What holds the text, up to the panel, ends before the text does. Rows further down a table are no
// fault; names in a legend and sentences of a text have to be there without scrolling.
function isCut(node, panel) {
  const range = document.createRange();
  range.selectNodeContents(node);
  const text = range.getBoundingClientRect();
  const isWhole = node.parentElement.closest(`${LEGEND}, .markdown-html`);
  for (let one = node.parentElement; one && one !== panel.parentElement; one = one.parentElement) {
    const { left, right, top, bottom } = one.getBoundingClientRect();
    const { overflowX, overflowY } = getComputedStyle(one);
    const [isWide, isHigh] = [overflowX, overflowY].map((how) => how !== 'visible' || one === panel);
    if (isWide && (text.right > right + 1 || text.left < left - 1)) return true;
    if (isWhole && isHigh && (text.bottom > bottom + 1 || text.top < top - 1)) return true;
  }
  return false;
}

function seenOf(panel, { error, rows, title, thresholds, noValue = 'No data' }) {
  const nodes = [...written(panel)];
  const canvases = [...panel.querySelectorAll('canvas')].map(of);
  const legend = [...panel.querySelectorAll(LEGEND)];
  const styles = nodes.map(({ element }) => getComputedStyle(element));
  const backs = [...panel.querySelectorAll('*')].map((one) => getComputedStyle(one));
  const texts = [...nodes.map(({ text }) => text), ...canvases.flatMap(({ texts: all }) => [...all])];
  const content = nodes.filter(({ element }) => !element.closest('[data-testid=header-container]'));
  return {
    title,
    legend: legend.map((one) => one.dataset.testid.replace('data-testid VizLegend series ', '')),
    texts: [...new Set(texts)],
    noData: rows && content.some(({ text }) => text !== noValue) ? null : content.at(-1)?.text ?? '',
    error: error ?? null,
    thresholds: thresholds.flatMap(hex),
    colours: [...new Set([
      ...styles.flatMap((style) => hex(style.color)),
      ...backs.flatMap((style) => [style.backgroundColor, ...(style.backgroundImage.match(/rgba?\([^)]*\)/g) ?? [])].flatMap(hex)),
      ...canvases.flatMap(({ colours }) => [...colours].flatMap(hex)),
    ])].sort(),
    cut: [...new Set(nodes.filter(({ node }) => isCut(node, panel)).map(({ text }) => text))],
  };
}

module.exports = { seenOf };
