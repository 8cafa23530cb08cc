"""Declarations in Grafana's own form, by its SDK: panels on their grid, variables, links, marks."""

from __future__ import annotations

import json
import string

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model

from prober.dashboards.annotations import MARKS, Annotation
from prober.dashboards.panel import WIDTH, Dashboard, Look, Panel, Place, bands
from prober.dashboards.variables import CHOICES, DATASOURCE, datasource_variable, query_variable

KEPT = "${datasource:queryparam}&${job:queryparam}&${region:queryparam}&${instance:queryparam}&${__url_time_range}"
AnyPanel = timeseries.Panel | stat.Panel | statetimeline.Panel


def text(declared: Dashboard) -> str:
    """The file of one dashboard."""
    return json.dumps(build(declared), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


def build(declared: Dashboard) -> model.Dashboard:
    """One dashboard; ids of panels are their order, so that links to one stay right while nothing moves."""
    builder = (
        dashboard.Dashboard(declared.title)
        .uid(declared.place)
        .description(declared.description)
        .tags(["prober"])
        .readonly()
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("10s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(datasource_variable())
    )
    for choice in CHOICES:
        builder.with_variable(query_variable(choice))
    for place in Place:
        if place is not declared.place:
            builder.link(_link(place))
    made = builder.build()
    made.annotations = model.AnnotationContainer(list_val=[Annotation(mark, DATASOURCE) for mark in MARKS])
    made.panels = _panels(declared)
    return made


def _link(place: Place) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink(place.word.capitalize())
        .type(model.DashboardLinkType.LINK)
        .url(f"/d/{place}")
        .icon("dashboard")
        .include_vars(True)
        .keep_time(True)
    )


def _panels(declared: Dashboard) -> list[model.Panel | model.RowPanel]:
    found: list[model.Panel | model.RowPanel] = []
    top = 0
    for row in declared.rows:
        if row.title:
            heading = dashboard.Row(row.title).grid_pos(model.GridPos(h=1, w=WIDTH, x=0, y=top)).build()
            heading.id_val = len(found) + 1
            found.append(heading)
            top += 1
        for band in bands(row, top):
            left = 0
            for panel in band.panels:
                place = model.GridPos(h=panel.height, w=panel.width, x=left, y=band.top)
                found.append(_panel(panel).id(len(found) + 1).grid_pos(place).build())
                left += panel.width
            top = band.top + band.height
    return found


def _panel(panel: Panel) -> AnyPanel:
    builder = _looks(panel)
    builder.title(panel.title).description(panel.description).datasource(DATASOURCE).unit(panel.unit)
    for ref, query in zip(string.ascii_uppercase, panel.queries, strict=False):
        target = prometheus.Dataquery().ref_id(ref).expr(query.expr).legend_format(query.legend)
        target.datasource(DATASOURCE)
        # What is true now and nothing else: the last value of a prober that is gone would stay green for an hour.
        builder.with_target(target.instant() if panel.look is Look.STAT else target.range())
    if panel.steps:
        steps = [model.Threshold(value=step.value, color=step.color) for step in panel.steps]
        builder.thresholds(dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps))
    if panel.words:
        words = {
            str(value): model.ValueMappingResult(text=word.text, color=word.color, index=index)
            for index, (value, word) in enumerate(panel.words.items())
        }
        builder.mappings([model.ValueMap(options=words)])
    if panel.more is not None:
        link = dashboard.DashboardLink(panel.more.word.capitalize()).url(f"/d/{panel.more}?{KEPT}")
        builder.links([link.type(model.DashboardLinkType.LINK)])
    return builder


def _looks(panel: Panel) -> AnyPanel:
    by_threshold = dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)
    match panel.look:
        case Look.STAT:
            return (
                stat.Panel()
                .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
                .color_mode(common_model.BigValueColorMode.BACKGROUND)
                .graph_mode(common_model.BigValueGraphMode.NONE)
                .text_mode(common_model.BigValueTextMode.VALUE_AND_NAME)
                .color_scheme(by_threshold)
                .no_value("–")
            )
        case Look.STATES:
            return (
                statetimeline.Panel()
                .show_value(common_model.VisibilityMode.AUTO)
                .merge_values(True)
                .row_height(0.8)
                .line_width(0)
                .fill_opacity(70)
                .color_scheme(by_threshold)
                .legend(_legend().show_legend(False))
            )
        case Look.LINES | Look.BARS:
            return _series(panel)


def _series(panel: Panel) -> timeseries.Panel:
    builder = (
        timeseries.Panel()
        .line_width(1)
        .legend(_legend().show_legend(True).calcs(["lastNotNull", "max"]))
        .tooltip(common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI))
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    )
    if panel.bottom is not None:
        builder.min(panel.bottom)
    if panel.top is not None:
        builder.max(panel.top)
    if panel.look is Look.BARS:
        return (
            builder.draw_style(common_model.GraphDrawStyle.BARS)
            .fill_opacity(60)
            .stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL).group("A"))
        )
    if panel.steps:
        dashed = common.GraphThresholdsStyleConfig().mode(common_model.GraphTresholdsStyleMode.DASHED)
        builder.thresholds_style(dashed)
    return builder.draw_style(common_model.GraphDrawStyle.LINE).fill_opacity(8)


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(common_model.LegendDisplayMode.LIST)
        .placement(common_model.LegendPlacement.BOTTOM)
    )
