"""What can be chosen at the top of every dashboard: data source, job, region, instance."""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, QueryVariable
from grafana_foundation_sdk.models import dashboard as grafana

from prober.web.catalogue.probing import BUILD_INFO

DATASOURCE = grafana.DataSourceRef(type_val="prometheus", uid="${datasource}")


@dataclass(frozen=True, slots=True)
class Choice:
    """A label to choose values of. `everything` matches what *All* means; a region may be in no series at all."""

    name: str
    label: str
    within: str
    everything: str
    default: str | None = None


CHOICES = (
    Choice("job", "Job", "", ".+", "prober"),
    Choice("region", "Region", '{job=~"$job"}', ".*"),
    Choice("instance", "Instance", '{job=~"$job",region=~"$region"}', ".+"),
)


def datasource_variable() -> DatasourceVariable:
    """Which Prometheus."""
    return DatasourceVariable("datasource").label("Data source").type("prometheus")


def query_variable(choice: Choice) -> QueryVariable:
    """Any number of the label's values, asked anew whenever the time range changes."""
    chosen = choice.default or "$__all"
    return (
        QueryVariable(choice.name)
        .label(choice.label)
        .datasource(DATASOURCE)
        .query(f"label_values({BUILD_INFO.name}{choice.within}, {choice.name})")
        .refresh(grafana.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(grafana.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(choice.everything)
        .current(grafana.VariableOption(True, [choice.default or "All"], [chosen]))
    )
