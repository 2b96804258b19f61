"""Honest questions of the bench, as an epidemiologist writes them, over `person`, `event` and the list `area`.

Each is (name, SQL, the person key as a naive protection would count it: `HAVING count(DISTINCT ...) >= 10`). None where
that protection cannot be written, because the rows that are counted hold no person key any more.
"""

from __future__ import annotations

from typing import NamedTuple


class Question(NamedTuple):
    name: str
    sql: str
    person: str | None


CORPUS = (
    # -- bare aggregates of one table: where there is least to hide behind
    Question("rows by code", "SELECT code, count(*) AS n FROM event GROUP BY code", "person_id"),
    Question("rows by setting", "SELECT setting, count(*) AS n FROM event GROUP BY setting", "person_id"),
    Question("rows by code and year", "SELECT code, year(event_date) AS y, count(*) AS n FROM event GROUP BY 1, 2",
             "person_id"),
    Question("mean by setting", "SELECT setting, avg(value) AS m, count(value) AS n FROM event GROUP BY setting",
             "person_id"),
    Question("mean and spread by code", "SELECT code, avg(value) AS m, stddev(value) AS sd FROM event GROUP BY code",
             "person_id"),
    Question("grand mean", "SELECT count(*) AS n, avg(value) AS m FROM event", "person_id"),
    Question("persons by region", "SELECT region, count(*) AS n FROM person GROUP BY region", "person_id"),
    Question("persons by age band and sex", "SELECT (2024 - birth_year) // 10 * 10 AS band, sex, count(*) AS n "
             "FROM person GROUP BY ALL", "person_id"),
    # -- one measurement
    Question("one code: mean by year", "SELECT year(event_date) AS y, avg(value) AS m FROM event WHERE code = 'C7' "
             "GROUP BY y ORDER BY y", "person_id"),
    Question("one code: high values", "SELECT avg(CASE WHEN value > 100 THEN 1 ELSE 0 END) AS high FROM event "
             "WHERE code = 'C250'", "person_id"),
    Question("some codes: total by month", "SELECT date_trunc('month', event_date) AS month, sum(value) AS total "
             "FROM event WHERE code IN ('C1', 'C2', 'C3') GROUP BY month ORDER BY month", "person_id"),
    Question("one code: median", "SELECT setting, median(value) AS m FROM event WHERE code = 'C40' GROUP BY setting",
             "person_id"),
    Question("missing values by code", "SELECT code, count(*) AS n, count(value) AS filled FROM event "
             "WHERE code < 'C2' GROUP BY code", "person_id"),
    # -- distinct persons
    Question("persons by code", "SELECT code, count(DISTINCT person_id) AS n FROM event GROUP BY code", "person_id"),
    Question("persons by year", "SELECT year(event_date) AS y, count(DISTINCT person_id) AS n FROM event GROUP BY y",
             "person_id"),
    Question("persons with a code by sex", "SELECT p.sex, count(DISTINCT p.person_id) AS n FROM person p JOIN event e "
             "ON e.person_id = p.person_id WHERE e.code = 'C7' GROUP BY p.sex", "p.person_id"),
    # -- joins
    Question("mean by region", "SELECT p.region, avg(e.value) AS m FROM person p JOIN event e "
             "ON e.person_id = p.person_id GROUP BY p.region", "p.person_id"),
    Question("rows by region and setting", "SELECT p.region, e.setting, count(*) AS n FROM person p "
             "JOIN event e USING (person_id) GROUP BY ALL", "person_id"),
    Question("one code by sex and year", "SELECT p.sex, year(e.event_date) AS y, count(*) AS n, avg(e.value) AS m "
             "FROM event e JOIN person p ON p.person_id = e.person_id WHERE e.code = 'C12' GROUP BY ALL ORDER BY ALL",
             "p.person_id"),
    Question("mean by deprivation", "SELECT a.deprived, avg(e.value) AS m, count(*) AS n FROM event e "
             "JOIN person p ON p.person_id = e.person_id JOIN area a ON a.region = p.region GROUP BY a.deprived",
             "p.person_id"),
    Question("women over 60, by code", "SELECT e.code, count(*) AS n FROM event e JOIN person p "
             "ON p.person_id = e.person_id WHERE p.sex = 'F' AND p.birth_year < 1964 GROUP BY e.code", "p.person_id"),
    # -- cohorts
    Question("prevalence by region", "SELECT p.region, count(*) AS n, count(*) FILTER (WHERE EXISTS (SELECT 1 "
             "FROM event e WHERE e.person_id = p.person_id AND e.code = 'C20')) AS cases FROM person p "
             "GROUP BY p.region", "p.person_id"),
    Question("cohort in a CTE", "WITH cases AS (SELECT DISTINCT person_id FROM event WHERE code IN ('C5', 'C6')) "
             "SELECT p.sex, p.region, count(*) AS n FROM person p JOIN cases c ON c.person_id = p.person_id "
             "GROUP BY ALL", "p.person_id"),
    Question("never had a code", "SELECT p.region, count(*) AS n FROM person p WHERE p.person_id NOT IN "
             "(SELECT person_id FROM event WHERE code = 'C3') GROUP BY p.region", "p.person_id"),
    Question("first event", "WITH firsts AS (SELECT person_id, min(event_date) AS day FROM event WHERE code = 'C9' "
             "GROUP BY person_id) SELECT year(day) AS y, count(*) AS n FROM firsts GROUP BY y ORDER BY y", "person_id"),
    Question("rows per person", "SELECT p.region, avg(t.n) AS m FROM person p JOIN (SELECT person_id, count(*) AS n "
             "FROM event GROUP BY person_id) t ON t.person_id = p.person_id GROUP BY p.region", "p.person_id"),
    Question("frequent attenders", "WITH per_person AS (SELECT person_id, count(*) AS n FROM event "
             "WHERE setting = 'emergency' GROUP BY person_id) SELECT CASE WHEN n >= 20 THEN '20+' WHEN n >= 10 THEN "
             "'10-19' ELSE 'under 10' END AS band, count(*) AS persons FROM per_person GROUP BY band", "person_id"),
    Question("last value per person", "SELECT p.sex, avg(l.value) AS m FROM person p JOIN (SELECT person_id, value "
             "FROM event WHERE code = 'C30' QUALIFY row_number() OVER (PARTITION BY person_id "
             "ORDER BY event_date DESC) = 1) l ON l.person_id = p.person_id GROUP BY p.sex", "p.person_id"),
    Question("events after the first", "WITH index AS (SELECT person_id, min(event_date) AS day FROM event "
             "WHERE code = 'C11' GROUP BY person_id) SELECT e.setting, count(*) AS n FROM event e JOIN index i "
             "ON i.person_id = e.person_id WHERE e.event_date > i.day GROUP BY e.setting", "e.person_id"),
    Question("rate per person-year", "WITH d AS (SELECT p.region AS region, count(DISTINCT p.person_id) AS persons, "
             "count(*) AS n FROM person p JOIN event e ON e.person_id = p.person_id WHERE e.code = 'C15' "
             "GROUP BY p.region) SELECT region, n * 1000.0 / persons AS rate FROM d ORDER BY region", None),
)  # fmt: skip
