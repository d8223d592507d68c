// One component for each type of panel that the dashboards may use, over what @grafana/ui offers.
const {
  applyNullInsertThreshold, cacheFieldDisplayNames, FieldType, getDisplayProcessor,
  getDisplayValueAlignmentFactors, getFieldDisplayValues, nullToValue, renderMarkdown, textUtil,
  VizOrientation,
} = require('@grafana/data');
const { BarGauge, BigValue, RenderUserContentAsHTML, Table, TimeSeries, VizRepeater } = require('@grafana/ui');

// What stands there without rows: PanelDataErrorView of Grafana.
const Empty = ({ fieldConfig, text }) => (
  <div style={{ height: '100%', display: 'grid', placeItems: 'center', textAlign: 'center' }}>
    {text ?? fieldConfig.defaults.noValue ?? 'No data'}
  </div>
);

// prepareGraphableFields of Grafana: nulls where points are missing, colours in the order of series.
function graphable(frames, theme, range) {
  cacheFieldDisplayNames(frames);
  let seriesIndex = 0;
  return frames.flatMap((frame) => {
    const types = new Set(frame.fields.map((field) => field.type));
    if (!types.has(FieldType.time) || !types.has(FieldType.number)) return [];
    const filled = nullToValue(applyNullInsertThreshold({
      frame, refFieldPseudoMin: range.from.valueOf(), refFieldPseudoMax: range.to.valueOf(),
    }));
    const fields = filled.fields.map((field) => {
      if (field.type !== FieldType.number) return field;
      const values = field.values.map((one) => (one == null || Number.isFinite(one) ? one : null));
      const series = { ...field, values, state: { ...field.state, seriesIndex: seriesIndex++ } };
      return { ...series, display: getDisplayProcessor({ field: series, theme }) };
    });
    return [{ ...filled, fields }];
  });
}

function Series({ panel, frames, fieldConfig, width, height, theme, timeZone, range }) {
  const rows = frames.filter((frame) => frame.length > 0);
  if (!rows.length) return <Empty fieldConfig={fieldConfig} />;
  const shown = graphable(rows, theme, range);
  if (!shown.length) return <Empty text="Data is missing a time or a number field" />;
  const legend = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [], ...panel.options?.legend };
  return (
    <TimeSeries
      {...{ width, height, theme, timeZone, legend }} frames={shown} timeRange={range} structureRev={1}
      options={panel.options}
    />
  );
}

const REDUCED = { values: false, calcs: ['lastNotNull'], fields: '' };

function Stat({ panel, frames, fieldConfig, width, height, theme, timeZone, range, replace }) {
  const options = {
    colorMode: 'value', graphMode: 'area', justifyMode: 'auto', textMode: 'auto', wideLayout: true,
    orientation: 'auto', percentChangeColorMode: 'standard', ...panel.options,
  };
  const values = () =>
    getFieldDisplayValues({
      fieldConfig, theme, timeZone, data: ofPercents(frames, theme),
      reduceOptions: { ...REDUCED, ...options.reduceOptions }, replaceVariables: replace,
      sparkline: options.graphMode !== 'none', percentChange: options.showPercentChange,
    });
  const value = ({ value: one, count, orientation, alignmentFactors, ...size }) => (
    <BigValue
      {...size} {...{ count, theme, alignmentFactors }} value={one.display} text={options.text}
      sparkline={one.sparkline && { ...one.sparkline, timeRange: range }} colorMode={options.colorMode}
      graphMode={options.graphMode} justifyMode={options.justifyMode} textMode={options.textMode}
      parentOrientation={orientation} disableWideLayout={!options.wideLayout}
      percentChangeColorMode={options.percentChangeColorMode}
    />
  );
  return (
    <VizRepeater
      {...{ width, height }} autoGrid itemSpacing={3} source={frames} renderCounter={1} getValues={values}
      renderValue={value} orientation={options.orientation} getAlignmentFactors={aligned}
    />
  );
}

const aligned = (values) => getDisplayValueAlignmentFactors(values);

// A share is out of one, a percentage out of a hundred, unless the panel says otherwise.
const ofPercents = (frames, theme) =>
  frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) => {
      const whole = { percent: 100, percentunit: 1 }[field.config.unit];
      if (!whole) return field;
      const { min = 0, max = whole } = field.config;
      const ranged = { ...field, state: { ...field.state, range: { min, max, delta: max - min } } };
      return { ...ranged, display: getDisplayProcessor({ field: ranged, theme }) };
    }),
  }));

function Bars({ panel, frames, fieldConfig, width, height, theme, timeZone, replace }) {
  const options = {
    displayMode: 'gradient', valueMode: 'color', namePlacement: 'auto', showUnfilled: true, sizing: 'auto',
    minVizWidth: 8, minVizHeight: 16, maxVizHeight: 300, orientation: 'auto', ...panel.options,
  };
  const values = () =>
    getFieldDisplayValues({
      fieldConfig, theme, timeZone, data: frames, reduceOptions: { ...REDUCED, ...options.reduceOptions },
      replaceVariables: replace,
    });
  const bar = ({ value: one, count, orientation, alignmentFactors, ...size }) => (
    <BarGauge
      {...size} {...{ theme, orientation }} field={one.field} text={options.text}
      value={count === 1 && !one.field.displayName ? { ...one.display, title: undefined } : one.display}
      display={one.view?.getFieldDisplayProcessor(one.colIndex)} itemSpacing={10}
      alignmentFactors={count > 1 ? alignmentFactors : undefined} displayMode={options.displayMode}
      showUnfilled={options.showUnfilled} valueDisplayMode={options.valueMode}
      namePlacement={options.namePlacement}
    />
  );
  const sizes = options.sizing === 'manual' ? options : { minVizWidth: 8, minVizHeight: 16, maxVizHeight: 300 };
  return (
    <VizRepeater
      {...{ width, height }} itemSpacing={10} source={frames} renderCounter={1} getValues={values}
      renderValue={bar} getAlignmentFactors={aligned} minVizWidth={sizes.minVizWidth}
      minVizHeight={sizes.minVizHeight} maxVizHeight={sizes.maxVizHeight}
      orientation={options.orientation === 'auto' ? VizOrientation.Auto : options.orientation}
    />
  );
}

function Rows({ panel, frames, fieldConfig, width, height, range, replace }) {
  if (!frames.some((frame) => frame.fields.length)) return <Empty fieldConfig={fieldConfig} />;
  const { showHeader = true, sortBy = [], footer, cellHeight = 'sm' } = panel.options ?? {};
  return (
    <Table
      {...{ width, height, fieldConfig, cellHeight }} data={frames[0]} noHeader={!showHeader}
      initialSortBy={sortBy} footerOptions={footer} enablePagination={footer?.enablePagination}
      timeRange={range} replaceVariables={replace} showTypeIcons={false}
    />
  );
}

function Text({ panel, replace }) {
  const { mode = 'markdown', content = '' } = panel.options ?? {};
  const text = replace(content, {}, 'html');
  const html = mode === 'markdown' ? renderMarkdown(text) : textUtil.sanitize(text);
  return <RenderUserContentAsHTML className="markdown-html" content={html} style={{ height: '100%', overflow: 'auto' }} />;
}

module.exports = { PANELS: { timeseries: Series, stat: Stat, bargauge: Bars, table: Rows, text: Text } };
