// Fields as Grafana configures them: defaults of a panel type, then those of the panel, then overrides.
// require() and not import: the esm builds of @grafana import defaults of cjs packages, which esbuild
// hands over whole, as Node does, and React then meets an object where it wants a component.
const {
  applyFieldOverrides, identityOverrideProcessor, standardFieldConfigEditorRegistry,
  standardTransformers, standardTransformersRegistry, toDataFrame, transformDataFrame,
} = require('@grafana/data');

const STANDARD = [
  'displayName', 'unit', 'min', 'max', 'decimals', 'color', 'thresholds', 'mappings', 'links', 'noValue',
  'filterable', 'fieldMinMax', 'description',
];
const CUSTOM = [
  // time series
  'drawStyle', 'lineInterpolation', 'lineWidth', 'lineStyle', 'lineColor', 'fillOpacity', 'fillBelowTo',
  'gradientMode', 'barAlignment', 'barWidthFactor', 'barMaxWidth', 'stacking', 'showPoints', 'pointSize',
  'spanNulls', 'insertNulls', 'hideFrom', 'transform', 'axisPlacement', 'axisLabel', 'axisWidth',
  'axisColorMode', 'axisGridShow', 'axisCenteredZero', 'axisBorderShow', 'axisSoftMin', 'axisSoftMax',
  'scaleDistribution', 'thresholdsStyle',
  // tables
  'width', 'minWidth', 'align', 'cellOptions', 'hidden', 'inspect', 'filterable',
];

// Grafana 11.6's defaults of what a dashboard may leave out (public/app/plugins/panel/<type>/).
const THRESHOLDS = { mode: 'absolute', steps: [{ value: null, color: 'green' }, { value: 80, color: 'red' }] };
const BY_THRESHOLDS = { color: { mode: 'thresholds' }, thresholds: THRESHOLDS };
const DEFAULTS = {
  timeseries: {
    color: { mode: 'palette-classic' },
    thresholds: THRESHOLDS,
    custom: {
      drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none',
      barAlignment: 0, barWidthFactor: 0.6, stacking: { mode: 'none', group: 'A' }, showPoints: 'auto',
      pointSize: 5, spanNulls: false, insertNulls: false, axisPlacement: 'auto', axisLabel: '',
      hideFrom: { tooltip: false, viz: false, legend: false }, axisColorMode: 'text', axisGridShow: true,
      axisCenteredZero: false, axisBorderShow: false, scaleDistribution: { type: 'linear' },
      thresholdsStyle: { mode: 'off' },
    },
  },
  stat: BY_THRESHOLDS,
  bargauge: BY_THRESHOLDS,
  table: { ...BY_THRESHOLDS, custom: { align: 'auto', inspect: false, cellOptions: { type: 'auto' } } },
};

const item = (path, more) => ({
  id: path, path, name: path, settings: {}, editor: () => null, override: () => null,
  process: identityOverrideProcessor, shouldApply: () => true, ...more,
});
// ${__field.labels.kol} and ${__field.name} in a display name, and variables of the dashboard
const named = (text, { field, replaceVariables }) =>
  text && replaceVariables(
    text.replace(/\$\{__field\.labels\.(\w+)\}/g, (_, label) => field.labels?.[label] ?? '')
      .replace(/\$\{__field\.name\}/g, field.name));
standardFieldConfigEditorRegistry.setInit(() => [
  ...STANDARD.map((path) => item(path, path === 'displayName' ? { process: named } : {})),
  ...CUSTOM.map((path) => item(path, { id: `custom.${path}`, isCustom: true })),
]);
standardTransformersRegistry.setInit(() =>
  Object.values(standardTransformers).map((one) => ({ id: one.id, name: one.name, transformation: one })));

// JSON has no -Infinity: the first step's value is null there
const grounded = (thresholds) =>
  thresholds && {
    ...thresholds,
    steps: thresholds.steps.map((step, i) => (i === 0 ? { ...step, value: -Infinity } : step)),
  };

const configOf = (panel) => {
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  const ours = DEFAULTS[panel.type] ?? {};
  const all = { ...ours, ...defaults, custom: { ...ours.custom, ...defaults.custom } };
  const mended = overrides.map((one) => ({
    ...one,
    properties: one.properties.map((property) =>
      property.id === 'thresholds' ? { ...property, value: grounded(property.value) } : property),
  }));
  return { defaults: { ...all, thresholds: grounded(all.thresholds) }, overrides: mended };
};

// A panel's frames, transformed and ready to be shown.
async function prepared(panel, frames, { replace, theme, timeZone }) {
  const made = (frames ?? []).map((frame) =>
    toDataFrame({
      refId: frame.refId,
      fields: frame.fields.map((field) => ({ ...field, config: field.config ?? {} })),
    }));
  const data = panel.transformations?.length
    ? await transformDataFrame(panel.transformations, made, { interpolate: replace }).toPromise()
    : made;
  const fieldConfig = configOf(panel);
  return {
    fieldConfig,
    frames: applyFieldOverrides({ data, fieldConfig, replaceVariables: replace, theme, timeZone }),
  };
}

module.exports = { prepared };
