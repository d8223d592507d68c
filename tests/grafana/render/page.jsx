// A dashboard on its grid. render.mjs calls show(), waits until the page rests, and asks seen().
const { seenOf } = require('./seen.js'); // first: it watches what is painted
require('@fontsource/inter/latin-400.css'); // Grafana's own font: a text is as wide on every machine
require('@fontsource/inter/latin-500.css');
const React = require('react');
const { createRoot } = require('react-dom/client');
const { createTheme, dateTime, dateTimeFormat, textUtil } = require('@grafana/data');
const { GlobalStyles, PanelChrome, ThemeContext } = require('@grafana/ui');
const { prepared } = require('./fields.js');
const { PANELS } = require('./panels.jsx');

const [CELL, GAP, EDGE, COLUMNS] = [30, 8, 16, 24]; // Grafana's grid, in pixels
const failed = {}; // panel id -> why it could not be drawn
let panels = [];
let theme;

// ${name}, ${name:format}, $name, [[name]]; what nobody set stays as it stands
function replacer(variables) {
  return (text, _scoped, format) =>
    text?.replace(/\$\{(\w+)(?::(\w+))?\}|\$(\w+)|\[\[(\w+)\]\]/g, (whole, braced, own, plain, old) => {
      const one = variables[braced ?? plain ?? old];
      if (!one) return whole;
      const words = [].concat((own ?? format) === 'text' ? one.text : one.value);
      const said = words.join((own ?? format) === 'text' ? ' + ' : ',');
      return format === 'html' ? textUtil.escapeHtml(said) : said;
    });
}

class Guarded extends React.Component {
  state = {};
  static getDerivedStateFromError(error) {
    return { error };
  }
  componentDidCatch(error) {
    failed[this.props.id] = String(error);
  }
  render() {
    return this.state.error ? <b>{String(this.state.error)}</b> : this.props.children;
  }
}

function Panel({ panel, place, shared, data, range }) {
  const Shown = PANELS[panel.type];
  const title = shared.replace(panel.title ?? '', {}, 'text');
  return (
    <div data-panel={panel.id} style={{ position: 'absolute', ...place }}>
      <PanelChrome
        width={place.width} height={place.height} title={title} description={panel.description}
        displayMode={panel.transparent ? 'transparent' : 'default'}
      >
        {(width, height) => (
          <Guarded id={panel.id}><Shown {...{ ...shared, ...data, panel, range, width, height }} /></Guarded>
        )}
      </PanelChrome>
    </div>
  );
}

const MADE_UP = {
  en: 'values of Prometheus are made up: none runs where this is drawn',
  zh: 'Prometheus 的数值是虚构的示例：绘图处没有运行 Prometheus',
};

function Head({ dashboard, variables, range, isMadeUp, theme, timeZone }) {
  const chosen = dashboard.templating?.list?.filter((one) => one.hide !== 2 && one.type !== 'constant') ?? [];
  const box = {
    border: `1px solid ${theme.colors.border.medium}`, background: theme.colors.background.primary,
    padding: '3px 8px', marginRight: 8, display: 'inline-block', fontSize: 12, marginTop: 6,
  };
  const at = (moment) => dateTimeFormat(moment, { timeZone, format: 'YYYY-MM-DD HH:mm' });
  return (
    <header style={{ padding: `${GAP}px ${EDGE}px 0` }}>
      <b style={{ fontSize: 18, marginRight: 16 }}>{dashboard.title}</b>
      {range && <span>{at(range.from)} – {at(range.to)}</span>}
      {isMadeUp && <i style={{ marginLeft: 16 }}>{MADE_UP[dashboard.uid.endsWith('-zh') ? 'zh' : 'en']}</i>}
      <div>
        {chosen.map((one) => (
          <span key={one.name} style={box}>
            <b>{one.label || one.name}</b>&ensp;{[].concat(variables[one.name]?.text ?? '').join(' + ')}
          </span>
        ))}
        {dashboard.links?.map((link) => <u key={link.title} style={{ ...box, border: 0 }}>{link.title}</u>)}
      </div>
    </header>
  );
}

const ranged = (range) => {
  const [from, to] = [dateTime(range?.from ?? 0), dateTime(range?.to ?? 1)];
  return { from, to, raw: { from, to } };
};

// What is chosen above the dashboard: as the frames were asked for, else as it opens.
function chosenIn(dashboard, given = {}) {
  const all = {};
  for (const { name, current, query } of dashboard.templating?.list ?? []) {
    const { text, value } = current?.value === undefined ? { text: query, value: query } : current;
    const isAll = given[name]?.[0] === '$__all';
    all[name] = name in given && !isAll ? { text: given[name], value: given[name] } : { text, value };
  }
  return all;
}

async function show({ dashboard, data, theme: mode, timeZone: zone, width }) {
  theme = createTheme({ colors: { mode } });
  const variables = chosenIn(dashboard, Object.values(data)[0]?.variables);
  const timeZone = ['', 'browser', undefined].includes(dashboard.timezone) ? zone : dashboard.timezone;
  const shared = { theme, timeZone, replace: replacer(variables) };
  const inner = width - 2 * EDGE;
  const column = (inner - GAP * (COLUMNS - 1)) / COLUMNS;
  const placed = ({ x, y, w, h }) => ({
    left: EDGE + x * (column + GAP), top: y * (CELL + GAP), width: w * (column + GAP) - GAP,
    height: h * (CELL + GAP) - GAP,
  });
  const every = dashboard.panels.flatMap((one) => [one, ...(one.panels ?? [])]);
  const rows = every.filter((one) => one.type === 'row');
  panels = [];
  for (const panel of every.filter((one) => one.type !== 'row')) {
    if (!PANELS[panel.type]) throw new Error(`panel ${panel.id}: nothing here draws ${panel.type}`);
    if (panel.repeat) throw new Error(`panel ${panel.id}: repeated panels are not drawn here`);
    const frames = data[panel.id]?.frames ?? [];
    panels.push({
      panel, place: placed(panel.gridPos), range: ranged(data[panel.id]?.range),
      data: await prepared(panel, frames, shared),
      rows: panel.type === 'text' || frames.some((frame) => frame.fields.some((one) => one.values.length)),
    });
  }
  const bottom = Math.max(...every.map((one) => one.gridPos.y + one.gridPos.h)) * (CELL + GAP);
  const range = Object.values(data)[0]?.range;
  const isMadeUp = Object.values(data).some((one) => one.isMadeUp);
  createRoot(document.getElementById('dashboard')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ background: theme.colors.background.canvas, width }}>
        <Head {...{ dashboard, variables, range, isMadeUp, theme, timeZone }} />
        <div style={{ position: 'relative', height: bottom + GAP, marginTop: GAP }}>
          {rows.map((one) => (
            <h4 key={one.id} style={{ position: 'absolute', ...placed(one.gridPos) }}>{shared.replace(one.title, {}, 'text')}</h4>
          ))}
          {panels.map((one) => <Panel key={one.panel.id} shared={shared} {...one} />)}
        </div>
      </div>
    </ThemeContext.Provider>,
  );
}

function seen() {
  return Object.fromEntries(panels.map(({ panel, rows, data }) => {
    const place = document.querySelector(`[data-panel="${panel.id}"]`);
    const title = place.querySelector('h2')?.textContent ?? '';
    const steps = data.fieldConfig.defaults.thresholds?.steps ?? [];
    const thresholds = steps.map((one) => theme.visualization.getColorByName(one.color));
    return [panel.id, seenOf(place, { error: failed[panel.id], rows, title, thresholds, noValue: data.fieldConfig.defaults.noValue })];
  }));
}

Object.assign(window, { show, seen });
