-- The raw extracts: true events as each source recorded them, with its own record keys and its own errors. Columns that
-- begin with `true_` go to the truth alone. Record keys are positions in a shuffled order, so that none tells who it is of.

CREATE MACRO local_id(pid, where_at) AS 'L' || lpad((hash(pid, where_at, getvariable('seed')) % 1000000000)::VARCHAR, 9, '0');
CREATE MACRO practice_on(moved, moved_on, on_day, earlier, latest) AS CASE WHEN moved AND on_day < moved_on THEN earlier ELSE latest END;

CREATE TABLE raw_gp_registration AS
WITH registration AS (
    SELECT pid, 0 AS n, practice, postcode, CASE WHEN moved THEN moved_on ELSE
               greatest(dob, day_between(DATE '1998-01-01', getvariable('first_day'), u(pid, 'registered'))) END AS registered_on,
           died_on AS left_on, CASE WHEN died_on IS NULL THEN 'current' ELSE 'deceased' END AS status
    FROM person WHERE in_gp AND (NOT moved OR moved_on < last_seen)
    UNION ALL
    SELECT pid, 1, earlier_practice, earlier_postcode, greatest(dob, DATE '1998-01-01'), least(moved_on, last_seen), 'left'
    FROM person WHERE in_gp AND moved AND moved_on > dob
    UNION ALL
    SELECT pid, 2, practice, postcode, greatest(dob, DATE '2012-04-01'), died_on, 'duplicate'
    FROM person WHERE in_gp AND NOT moved AND u(pid, 'registered twice') < getvariable('registered_twice')
), keyed AS (SELECT *, row_number() OVER (ORDER BY hash(pid, n, 'gp', getvariable('seed')), pid, n) AS record FROM registration)
SELECT record AS "REGISTRATION_ID", number_recorded(nhs_number, other_number, record, 'gp') AS "NHS_NUMBER",
       CASE WHEN names_swapped(record, 'gp') THEN surname ELSE forename END AS "FORENAME",
       CASE WHEN names_swapped(record, 'gp') THEN forename ELSE surname_recorded(surname, record, 'gp') END AS "SURNAME",
       birth_recorded(dob, record, 'gp') AS "DATE_OF_BIRTH", sex AS "SEX",
       postcode_recorded(k.postcode, stray_postcode, record, 'gp') AS "POSTCODE", lsoa AS "LSOA", k.practice AS "PRACTICE",
       local_id(pid, k.practice) AS "LOCAL_PATIENT_ID", ethnicity AS "ETHNIC", region AS "REGION",
       imd_quintile AS "IMD_QUINTILE", registered_on AS "REGISTERED_ON", left_on AS "DEREGISTERED_ON",
       CASE status WHEN 'duplicate' THEN CASE WHEN died_on IS NULL THEN 'current' ELSE 'deceased' END ELSE status END AS "STATUS",
       pid AS true_person
FROM keyed k JOIN person p USING (pid) ORDER BY record;

CREATE TABLE raw_gp_event AS
WITH keyed AS (SELECT *, row_number() OVER (ORDER BY hash(pid, n, kind, getvariable('seed')), pid, n, kind) AS record FROM gp_fact),
placed AS (SELECT *, practice_on(moved, moved_on, on_day, earlier_practice, practice) AS seen_at,
                  practice_on(moved, moved_on, on_day, earlier_postcode, postcode) AS living_at
           FROM keyed JOIN person USING (pid))
SELECT record AS "EVENT_ID", number_recorded(nhs_number, other_number, record, 'ev') AS "NHS_NUMBER",
       birth_recorded(dob, record, 'ev') AS "DATE_OF_BIRTH", sex AS "SEX",
       postcode_recorded(living_at, stray_postcode, record, 'ev') AS "POSTCODE", seen_at AS "PRACTICE",
       local_id(pid, seen_at) AS "LOCAL_PATIENT_ID",
       CASE WHEN u(record, 'impossible date') < getvariable('impossible_date') THEN DATE '2099-01-01' ELSE on_day END AS "DATE",
       on_day + below(4, record, 'recorded')::INTEGER AS "RECORD_DATE", code AS "CODE", value1 AS "VALUE1_CONDITION",
       value2 AS "VALUE2_CONDITION", pid AS true_person
FROM placed ORDER BY record;

CREATE TABLE raw_prescription AS
WITH keyed AS (SELECT *, row_number() OVER (ORDER BY hash(pid, n, kind, getvariable('seed')), pid, n, kind) AS record FROM drug_fact),
placed AS (SELECT *, practice_on(moved, moved_on, on_day, earlier_practice, practice) AS seen_at,
                  practice_on(moved, moved_on, on_day, earlier_postcode, postcode) AS living_at
           FROM keyed JOIN person USING (pid))
SELECT record AS "ITEM_ID", number_recorded(nhs_number, other_number, record, 'rx') AS "NHS_NUMBER",
       birth_recorded(dob, record, 'rx') AS "DATE_OF_BIRTH", sex AS "SEX",
       postcode_recorded(living_at, stray_postcode, record, 'rx') AS "POSTCODE", seen_at AS "PRACTICE",
       local_id(pid, seen_at) AS "LOCAL_PATIENT_ID", on_day AS "ISSUED_ON", code AS "DRUG_CODE", quantity AS "QUANTITY",
       cost AS "NET_COST", pid AS true_person
FROM placed ORDER BY record;

-- Hospital extracts: no names, sex as 1 and 2, a local patient number of the provider.
CREATE MACRO hospital_sex(sex) AS CASE sex WHEN 'M' THEN '1' ELSE '2' END;

CREATE TABLE raw_hes_apc AS
WITH keyed AS (SELECT *, row_number() OVER (ORDER BY hash(pid, n, kind, getvariable('seed')), pid, n, kind) AS record
               FROM stay_fact JOIN person USING (pid) WHERE covered(pid, 'apc') OR kind = 'outlier'),
sent AS (SELECT *, false AS again FROM keyed
         UNION ALL SELECT *, true FROM keyed WHERE u(record, 'sent twice') < getvariable('sent_twice'))
SELECT record AS "EPIKEY", number_recorded(nhs_number, other_number, record, 'apc') AS "NEWNHSNO",
       birth_recorded(dob, record, 'apc') AS "DOB", hospital_sex(sex) AS "SEX",
       postcode_recorded(practice_on(moved, moved_on, on_day, earlier_postcode, postcode), stray_postcode, record, 'apc') AS "HOMEADD",
       provider AS "PROCODE3", local_id(pid, provider) AS "LOPATID", ethnicity AS "ETHNOS", on_day AS "ADMIDATE",
       discharged_on AS "DISDATE", method AS "ADMIMETH", diagnosis AS "DIAG_01", length_of_stay AS "SPELDUR", cost AS "COST",
       pid AS true_person
FROM sent ORDER BY record, again;

CREATE TABLE raw_hes_op AS
WITH keyed AS (SELECT *, row_number() OVER (ORDER BY hash(pid, n, 'op', getvariable('seed')), pid, n) AS record
               FROM clinic_fact JOIN person USING (pid) WHERE covered(pid, 'op'))
SELECT record AS "ATTENDKEY", number_recorded(nhs_number, other_number, record, 'op') AS "NEWNHSNO",
       birth_recorded(dob, record, 'op') AS "DOB", hospital_sex(sex) AS "SEX",
       postcode_recorded(practice_on(moved, moved_on, on_day, earlier_postcode, postcode), stray_postcode, record, 'op') AS "HOMEADD",
       provider AS "PROCODE3", local_id(pid, provider) AS "LOPATID", on_day AS "APPTDATE", specialty AS "TRETSPEF",
       attended AS "ATTENDED", appointment AS "FIRSTATT", waiting_days AS "WAITDAYS", pid AS true_person
FROM keyed ORDER BY record;

CREATE TABLE raw_hes_ae AS
WITH keyed AS (SELECT *, row_number() OVER (ORDER BY hash(pid, n, 'ae', getvariable('seed')), pid, n) AS record
               FROM emergency_fact JOIN person USING (pid) WHERE covered(pid, 'ae'))
SELECT record AS "AEKEY", number_recorded(nhs_number, other_number, record, 'ae') AS "NEWNHSNO",
       birth_recorded(dob, record, 'ae') AS "DOB", hospital_sex(sex) AS "SEX",
       postcode_recorded(practice_on(moved, moved_on, on_day, earlier_postcode, postcode), stray_postcode, record, 'ae') AS "HOMEADD",
       provider AS "PROCODE3", local_id(pid, provider) AS "LOPATID", on_day AS "ARRIVALDATE", arrival_mode AS "AEARRIVALMODE",
       complaint AS "COMPLAINT", minutes AS "DURATION", outcome AS "OUTCOME", pid AS true_person
FROM keyed ORDER BY record;

CREATE TABLE raw_cancer_registry AS
WITH keyed AS (SELECT *, row_number() OVER (ORDER BY hash(pid, 'tumour', getvariable('seed')), pid) AS record
               FROM person WHERE cancer_on IS NOT NULL AND (covered(pid, 'cancer') OR pid IN (SELECT pid FROM outlier)))
SELECT record AS "TUMOUR_ID", number_recorded(nhs_number, other_number, record, 'ca') AS "NHS_NUMBER",
       CASE WHEN names_swapped(record, 'ca') THEN surname ELSE forename END AS "FORENAME",
       CASE WHEN names_swapped(record, 'ca') THEN forename ELSE surname_recorded(surname, record, 'ca') END AS "SURNAME",
       strftime(birth_recorded(dob, record, 'ca'), '%d/%m/%Y') AS "BIRTHDATE", hospital_sex(sex) AS "SEX",
       postcode_recorded(practice_on(moved, moved_on, cancer_on, earlier_postcode, postcode), stray_postcode, record, 'ca') AS "POSTCODE",
       strftime(cancer_on, '%d/%m/%Y') AS "DIAGNOSISDATE", site AS "SITE_ICD10",
       CASE WHEN u(pid, 'stage known') < 0.07 THEN 'unknown' ELSE stage::VARCHAR END AS "STAGE",
       CASE WHEN stage = 4 AND u(pid, 'route') < 0.4 THEN 'emergency' WHEN site IN ('C50', 'C18') AND u(pid, 'route') < 0.3 THEN 'screening'
            WHEN u(pid, 'route') < 0.7 THEN 'urgent-referral' ELSE 'gp-referral' END AS "ROUTE",
       region AS "REGION", imd_quintile AS "IMD_QUINTILE",
       CASE WHEN u(pid, 'treated') < 0.85 THEN floor(8 - 34 * ln(greatest(u(pid, 'treatment wait'), 1e-6)))::INTEGER END AS "DAYS_TO_TREATMENT",
       pid AS true_person
FROM keyed ORDER BY record;

CREATE TABLE raw_deaths AS
WITH keyed AS (SELECT *, row_number() OVER (ORDER BY hash(pid, 'death', getvariable('seed')), pid) AS record
               FROM person WHERE died_on IS NOT NULL AND covered(pid, 'death'))
SELECT record AS "DEATH_ID", number_recorded(nhs_number, other_number, record, 'de') AS "NHS_NUMBER",
       CASE WHEN names_swapped(record, 'de') THEN surname ELSE forename END AS "FORENAME",
       CASE WHEN names_swapped(record, 'de') THEN forename ELSE surname_recorded(surname, record, 'de') END AS "SURNAME",
       birth_recorded(dob, record, 'de') AS "DATE_OF_BIRTH", sex AS "SEX",
       postcode_recorded(practice_on(moved, moved_on, died_on, earlier_postcode, postcode), stray_postcode, record, 'de') AS "POSTCODE",
       died_on AS "DATE_OF_DEATH",
       CASE WHEN died_of_cancer THEN site WHEN ihd AND u(pid, 'cause') < 0.5 THEN ['I21', 'I25'][1 + below(2, pid, 'cause ihd')]
            WHEN stroke AND u(pid, 'cause') < 0.5 THEN 'I63' WHEN copd AND u(pid, 'cause') < 0.6 THEN 'J44'
            WHEN age > 78 AND u(pid, 'cause') < 0.45 THEN 'F03' ELSE ['J18', 'I21', 'I50', 'N39'][1 + below(4, pid, 'cause other')] END AS "CAUSE",
       ['hospital', 'hospital', 'home', 'care-home', 'hospice'][1 + below(5, pid, 'place')] AS "PLACE", pid AS true_person
FROM keyed ORDER BY record;

CREATE TABLE raw_practice AS
SELECT practice AS "PRACTICE", region AS "REGION", 1 + (affluence + below(3, practice_ix, 'practice imd')) % 5 AS "IMD_QUINTILE",
       CASE WHEN u(practice_ix, 'urban') < 0.78 THEN 'urban' ELSE 'rural' END AS "SETTING"
FROM practice ORDER BY practice;

CREATE TABLE raw_code_list AS SELECT * FROM code_source ORDER BY "CODE_SYSTEM", "CODE";

-- Objections. A Type 1 objection stays where it was made: for some who moved, at the earlier practice. A few are recorded twice.
CREATE TABLE objection AS
SELECT nhs_number, CASE WHEN moved AND u(pid, 'objected before moving') < 0.5 THEN earlier_practice ELSE practice END AS practice,
       day_between(DATE '2018-05-25', getvariable('last_day'), u(pid, 'objected on')) AS recorded_on
FROM person, range(CASE WHEN u(pid, 'objected twice') < 0.05 THEN 2 ELSE 1 END) WHERE type_1;
