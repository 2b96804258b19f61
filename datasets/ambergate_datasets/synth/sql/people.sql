-- True persons: identity, place, risk factors, illnesses and death. Nothing here leaves for the raw extracts unaltered.

-- Valid NHS numbers of the range that is never issued (999 ...), downwards; it lasts for about 900,000 persons. It begins
-- below 9999999999, which passes the check digit but is ten times one digit.
CREATE TABLE number AS
SELECT row_number() OVER (ORDER BY hash(nine, 'number', getvariable('seed')), nine) - 1 AS pid,
       nine::VARCHAR || (CASE r WHEN 11 THEN 0 ELSE r END)::VARCHAR AS nhs_number
FROM (SELECT nine, 11 - (10 * (nine // 100000000) + 9 * (nine // 10000000 % 10) + 8 * (nine // 1000000 % 10)
             + 7 * (nine // 100000 % 10) + 6 * (nine // 10000 % 10) + 5 * (nine // 1000 % 10)
             + 4 * (nine // 100 % 10) + 3 * (nine // 10 % 10) + 2 * (nine % 10)) % 11 AS r
      FROM (SELECT 999999998 - i AS nine FROM range((getvariable('persons') * 5) // 4 + 200) t(i)))
WHERE r <> 10
QUALIFY pid < getvariable('persons');

CREATE TABLE practice AS
SELECT i AS practice_ix, 'P8' || lpad((1000 + i * 7)::VARCHAR, 4, '0') AS practice,
       regions[1 + i % 7].region AS region, regions[1 + i % 7].areas[1 + (i // 7) % 3] AS area,
       below(4, i, 'deprivation') AS affluence
FROM range(getvariable('practices')) t(i), region_list;

CREATE MACRO postcode_of(area, practice_ix, unit) AS
    area || (1 + (practice_ix * 3 + unit % 3) % 27)::VARCHAR || ' ' || ((unit // 3) % 10)::VARCHAR
    || 'ABDEFGHJLNPQRSTUWXYZ'[1 + (unit // 30 + practice_ix) % 20] || 'ABDEFGHJLNPQRSTUWXYZ'[1 + (unit // 600) % 20];

CREATE TABLE household AS
SELECT hid, below(getvariable('practices'), hid, 'practice') AS practice_ix,
       below(getvariable('practices'), hid, 'earlier practice') AS earlier_ix,
       below(getvariable('units'), hid, 'unit') AS unit, skewed(surnames, hid, 'surname') AS surname
FROM range(getvariable('persons') * 5 // 12 + 1) t(hid), name_list;

CREATE TABLE place AS
SELECT hid, surname, h.practice_ix, p.practice, p.region, postcode_of(p.area, h.practice_ix, unit) AS postcode,
       'E0199' || lpad((h.practice_ix * 4 + unit % 4)::VARCHAR, 4, '0') AS lsoa,
       1 + (p.affluence + unit % 4 + below(2, h.practice_ix * 4 + unit % 4, 'imd')) % 5 AS imd_quintile,
       e.practice AS earlier_practice, postcode_of(e.area, h.earlier_ix, below(getvariable('units'), hid, 'unit 2'))
           AS earlier_postcode
FROM household h JOIN practice p ON p.practice_ix = h.practice_ix JOIN practice e ON e.practice_ix = h.earlier_ix;

CREATE TABLE base AS
SELECT i AS pid, i * 5 // 12 AS hid, CASE WHEN u(i, 'sex') < 0.505 THEN 'F' ELSE 'M' END AS sex,
       day_between((getvariable('last_day') - to_years(5 * b.band::INTEGER + 5) + INTERVAL 1 DAY)::DATE,
                   (getvariable('last_day') - to_years(5 * b.band::INTEGER))::DATE, u(i, 'dob')) AS dob,
       u(i, 'twin') < 0.012 AND (i - 1) * 5 // 12 = i * 5 // 12 AND i > 0 AS twin
FROM range(getvariable('persons')) t(i)
JOIN age_list b ON u(i, 'age') >= b.from_share AND u(i, 'age') < b.to_share;

CREATE TABLE identity AS
SELECT b.pid, n.nhs_number, other.nhs_number AS other_number, b.sex,
       CASE WHEN b.twin THEN elder.dob ELSE b.dob END AS dob,
       CASE WHEN b.sex = 'F' THEN skewed(female, b.pid, 'forename') ELSE skewed(male, b.pid, 'forename') END AS forename,
       CASE WHEN b.twin OR u(b.pid, 'own surname') < 0.75 THEN h.surname ELSE skewed(surnames, b.pid, 'surname') END
           AS surname,
       e.code AS ethnicity, h.practice, h.postcode, h.lsoa, h.region, h.imd_quintile,
       u(b.pid, 'moved') < getvariable('moved_practice') AND h.earlier_practice <> h.practice AS moved,
       h.earlier_practice, h.earlier_postcode,
       day_between(getvariable('first_day') + 200, getvariable('last_day') - 200, u(b.pid, 'moved on')) AS moved_on,
       pl.postcode AS stray_postcode
FROM base b
JOIN number n ON n.pid = b.pid
JOIN number other ON other.pid = (b.pid + 1) % getvariable('persons')
LEFT JOIN base elder ON elder.pid = b.pid - 1
JOIN place h ON h.hid = b.hid
JOIN place pl ON pl.hid = below(getvariable('persons') * 5 // 12 + 1, b.pid, 'stray')
JOIN ethnicity_list e ON u(b.pid, 'ethnicity') >= e.from_share AND u(b.pid, 'ethnicity') < e.to_share
CROSS JOIN name_list;

-- Illness: logistic in age, sex, deprivation (quintile 1 is the most deprived), weight and smoking.
CREATE TABLE risk AS
SELECT pid, sex, dob, date_diff('year', dob, getvariable('last_day')) AS age, sex = 'M' AS male, 3 - imd_quintile AS poor,
       ethnicity IN ('H', 'J', 'K', 'L') AS south_asian,
       round(least(52, greatest(16, 26.8 + 0.5 * (3 - imd_quintile) + 4.6 * z(pid, 'bmi'))), 1) AS bmi,
       CASE WHEN u(pid, 'smoking') < 0.13 + 0.035 * (3 - imd_quintile) THEN 'current'
            WHEN u(pid, 'smoking') < 0.40 THEN 'ex' ELSE 'never' END AS smoking
FROM identity;

-- Two people whose hospital costs outweigh everybody else's at a small specialist provider: dominance is a real risk.
CREATE TABLE outlier AS
SELECT pid, ['R9Z', 'R8Y'][rank] AS provider, 32 AS stays, [150000, 42000][rank] AS cost
FROM (SELECT pid, row_number() OVER (ORDER BY hash(pid, 'outlier', getvariable('seed')), pid) AS rank
      FROM risk WHERE age BETWEEN 45 AND 60)
WHERE rank <= 2;

CREATE TABLE illness AS
SELECT *,
       age >= 18 AND u(pid, 'htn') < sigmoid(-6.2 + 0.082 * age + 0.12 * poor + 0.09 * (bmi - 27)) AS htn,
       age >= 18 AND u(pid, 'dm') < sigmoid(-6.4 + 0.064 * age + 0.22 * poor + 0.14 * (bmi - 27)
            + 0.7 * south_asian::INTEGER) AS diabetes,
       age >= 25 AND u(pid, 'ihd') < sigmoid(-8.8 + 0.087 * age + 0.22 * poor + 0.7 * male::INTEGER
            + 0.6 * (smoking = 'current')::INTEGER) AS ihd,
       age >= 25 AND u(pid, 'stroke') < sigmoid(-9.4 + 0.088 * age + 0.18 * poor) AS stroke,
       age >= 40 AND u(pid, 'af') < sigmoid(-10.6 + 0.115 * age + 0.3 * male::INTEGER) AS af,
       age >= 35 AND u(pid, 'copd') < sigmoid(-7.9 + 0.06 * age + 2.1 * (smoking = 'current')::INTEGER
            + 1.2 * (smoking = 'ex')::INTEGER + 0.25 * poor) AS copd,
       age >= 4 AND u(pid, 'asthma') < 0.10 + 0.01 * poor AS asthma,
       age >= 16 AND u(pid, 'depression') < 0.10 + 0.05 * (sex = 'F')::INTEGER + 0.02 * poor AS depression,
       age >= 20 AND (u(pid, 'cancer') < sigmoid(-7.0 + 0.073 * age + 0.3 * (smoking = 'current')::INTEGER)
            OR pid IN (SELECT pid FROM outlier)) AS cancer,
       CASE WHEN u(pid, 'stage') < 0.34 - 0.02 * poor THEN 1 WHEN u(pid, 'stage') < 0.58 - 0.02 * poor THEN 2
            WHEN u(pid, 'stage') < 0.79 - 0.01 * poor THEN 3 ELSE 4 END AS stage,
       day_between(getvariable('first_day'), getvariable('last_day'), u(pid, 'diagnosed')) AS cancer_on
FROM risk;

CREATE TABLE ending AS
SELECT *,
       CASE WHEN pid IN (SELECT pid FROM outlier) THEN NULL
            WHEN cancer AND u(pid, 'dies of it') < [0.06, 0.15, 0.4, 0.75][stage]
            THEN cancer_on + (5 - [1400, 1000, 650, 240][stage] * ln(greatest(u(pid, 'survival'), 1e-6)))::INTEGER END
           AS cancer_death,
       CASE WHEN pid NOT IN (SELECT pid FROM outlier)
                 AND u(pid, 'dies') < 1 - exp(-6.2 * 0.000012 * exp(0.109 * age) * (1 + 0.12 * poor)
                     * (1 + 0.6 * ihd::INTEGER + 0.4 * copd::INTEGER + 0.5 * (smoking = 'current')::INTEGER))
            THEN day_between(greatest(getvariable('first_day') + 30, dob), getvariable('last_day'),
                             pow(u(pid, 'dies on'), 0.8)) END AS other_death
FROM illness;

CREATE TABLE person AS
SELECT i.*, k.* EXCLUDE (pid, sex, dob, cancer, other_death, cancer_death, stage, cancer_on, died_on),
       CASE WHEN k.cancer AND cancer_on > i.dob + 7300 AND cancer_on < coalesce(other_death, DATE '9999-01-01')
            THEN cancer_on END AS cancer_on,
       stage, CASE WHEN k.died_on <= getvariable('last_day') THEN k.died_on END AS died_on,
       k.died_on = cancer_death AS died_of_cancer,
       least(coalesce(k.died_on, getvariable('last_day')), getvariable('last_day')) AS last_seen,
       greatest(getvariable('first_day'), i.dob) AS first_seen,
       greatest(getvariable('first_day'), (i.dob + INTERVAL 18 YEAR)::DATE) AS adult_from,
       CASE WHEN i.sex = 'F' THEN ['C50', 'C50', 'C50', 'C18', 'C34', 'C43', 'C25', 'C73', 'C92'][1 + below(9, i.pid, 'site')]
            ELSE ['C61', 'C61', 'C61', 'C18', 'C34', 'C34', 'C43', 'C25', 'C92'][1 + below(9, i.pid, 'site')] END AS site,
       covered(i.pid, 'gp') OR i.pid IN (SELECT pid FROM outlier) AS in_gp,
       i.pid NOT IN (SELECT pid FROM outlier) AND u(i.pid, 'type 1') < getvariable('type_1') AS type_1,
       i.pid NOT IN (SELECT pid FROM outlier) AND u(i.pid, 'national')
           < getvariable('national') * (CASE WHEN u(i.pid, 'type 1') < getvariable('type_1') THEN 8 ELSE 0.66 END) AS national
FROM identity i
JOIN (SELECT *, least(other_death, cancer_death) AS died_on FROM ending) k ON k.pid = i.pid;

-- When each illness was first recorded: some day in the data's years on which the person was adult and alive.
CREATE TABLE onset AS
SELECT pid, illness, day_between(window_from, last_seen, u(pid, illness || ' onset')) AS onset_on
FROM (SELECT *, CASE WHEN illness = 'asthma' THEN first_seen ELSE adult_from END AS window_from
      FROM (UNPIVOT person ON htn, diabetes, ihd, stroke, af, copd, asthma, depression INTO NAME illness VALUE has))
WHERE has AND window_from < last_seen;
