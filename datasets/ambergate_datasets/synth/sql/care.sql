-- What happened to people: consultations, prescriptions, hospital episodes, tumours. One row per true event.

CREATE TABLE measured AS
SELECT pid, n, day_between(w0, last_seen, u2(pid, n, kind || ' day')) AS on_day, kind
FROM (SELECT pid, adult_from AS w0, last_seen, kind,
             floor(rate * (last_seen - adult_from) / 365.25 + u(pid, kind || ' count'))::INTEGER AS events
      FROM (SELECT *, unnest([{'kind': 'blood_pressure', 'rate': 0.45 + 0.9 * (htn OR diabetes)::INTEGER},
                              {'kind': 'hba1c', 'rate': 0.12 + 1.6 * diabetes::INTEGER},
                              {'kind': 'bmi', 'rate': 0.25}, {'kind': 'cholesterol', 'rate': 0.1 + 0.3 * ihd::INTEGER},
                              {'kind': 'smoking', 'rate': 0.2}], recursive := true)
            FROM person WHERE in_gp)
      WHERE last_seen > adult_from), range(events) r(n);

CREATE TABLE gp_fact AS
SELECT m.pid, m.n, m.kind, m.on_day,
       CASE m.kind WHEN 'blood_pressure' THEN '990001011' WHEN 'hba1c' THEN '990001021' WHEN 'bmi' THEN '990001031'
                   WHEN 'cholesterol' THEN '990001041'
                   ELSE CASE p.smoking WHEN 'never' THEN '990002011' WHEN 'ex' THEN '990002021' ELSE '990002031' END
       END AS code,
       CASE m.kind
           WHEN 'blood_pressure' THEN round(greatest(82, 113 + 0.3 * (age - 40) + 0.9 * (bmi - 27) + 9 * htn::INTEGER
                                            + 11 * z2(m.pid, m.n, 'systolic')))
           WHEN 'hba1c' THEN round(greatest(22, CASE WHEN diabetes THEN 57 + 2 * poor + 12 * z2(m.pid, m.n, 'hba1c')
                                            ELSE 35 + 0.06 * (age - 40) + 3 * z2(m.pid, m.n, 'hba1c') END))
           WHEN 'bmi' THEN round(bmi + 0.8 * z2(m.pid, m.n, 'bmi'), 1)
           WHEN 'cholesterol' THEN round(greatest(2.2, 5.1 + 0.3 * ihd::INTEGER + 0.9 * z2(m.pid, m.n, 'chol')), 1)
       END AS value1,
       CASE WHEN m.kind = 'blood_pressure' THEN round(greatest(45, 74 + 0.1 * (age - 40) + 4 * htn::INTEGER
                                            + 8 * z2(m.pid, m.n, 'diastolic'))) END AS value2
FROM measured m JOIN person p ON p.pid = m.pid
UNION ALL
SELECT o.pid, 0, o.illness, o.onset_on,
       MAP {'htn': '990003011', 'diabetes': '990003021', 'ihd': '990003031', 'stroke': '990003041', 'af': '990003051',
            'copd': '990003061', 'asthma': '990003071', 'depression': '990003081'}[o.illness], NULL, NULL
FROM onset o JOIN person p ON p.pid = o.pid WHERE p.in_gp;

CREATE TABLE drug_fact AS
SELECT pid, n, kind, day_between(onset_on, last_seen, u2(pid, n, kind || ' issued')) AS on_day, code,
       28 * (1 + (u2(pid, n, kind || ' quantity') * 3)::INTEGER) AS quantity,
       round(price * (0.7 + 0.6 * u2(pid, n, kind || ' price')), 2) AS cost
FROM (SELECT o.pid, o.onset_on, p.last_seen, d.*,
             floor(2.2 * (p.last_seen - o.onset_on) / 365.25 + u(o.pid, d.kind || ' count'))::INTEGER AS items
      FROM onset o JOIN person p ON p.pid = o.pid
      JOIN (VALUES ('htn', 'antihypertensive', '995001021', 0.85, 4.1), ('diabetes', 'metformin', '995001031', 0.75, 5.2),
                   ('ihd', 'statin', '995001011', 0.8, 3.3), ('stroke', 'antiplatelet', '995001051', 0.7, 2.1),
                   ('af', 'anticoagulant', '995001041', 0.78, 48.0), ('copd', 'inhaler', '995001061', 0.8, 29.5),
                   ('asthma', 'inhaler 2', '995001061', 0.7, 24.0), ('depression', 'antidepressant', '995001071', 0.6, 2.6),
                   ('diabetes', 'statin 2', '995001011', 0.6, 3.3)) d(illness, kind, code, share, price)
        ON d.illness = o.illness AND u(o.pid, d.kind) < d.share
      WHERE p.in_gp), range(items) r(n);

-- Admissions: one with a new serious illness, the rest by age and illness; plus the few people of enormous cost.
CREATE TABLE stay AS
SELECT pid, 0 AS n, 'onset ' || illness AS kind, onset_on AS on_day, 'emergency' AS method,
       CASE illness WHEN 'ihd' THEN ['I21', 'I21', 'I20', 'I25'][1 + below(4, pid, 'ihd code')] WHEN 'stroke' THEN 'I63'
                    WHEN 'af' THEN 'I48' ELSE 'J44' END AS diagnosis
FROM onset
WHERE u(pid, illness || ' admitted') < MAP {'ihd': 0.65, 'stroke': 0.9, 'af': 0.3, 'copd': 0.3}[illness]
UNION ALL
SELECT pid, n, 'other', day_between(first_seen, last_seen, u2(pid, n, 'stay day')),
       CASE WHEN u2(pid, n, 'method') < 0.55 THEN 'elective' ELSE 'emergency' END,
       CASE WHEN ihd AND u2(pid, n, 'why') < 0.3 THEN ['I25', 'I50', 'I20'][1 + (u2(pid, n, 'which') * 2.99)::INTEGER % 3]
            WHEN cancer_on IS NOT NULL AND u2(pid, n, 'why') < 0.5 THEN CASE WHEN u2(pid, n, 'which') < 0.4 THEN site ELSE 'Z51' END
            WHEN copd AND u2(pid, n, 'why') < 0.4 THEN 'J44'
            WHEN asthma AND u2(pid, n, 'why') < 0.2 THEN 'J45'
            WHEN diabetes AND u2(pid, n, 'why') < 0.15 THEN 'E11'
            WHEN sex = 'F' AND age BETWEEN 20 AND 48 AND u2(pid, n, 'why') < 0.45 THEN 'O80'
            WHEN age > 75 AND u2(pid, n, 'why') < 0.25 THEN ['S72', 'F03'][1 + (u2(pid, n, 'which') > 0.6)::INTEGER]
            ELSE ['J18', 'K80', 'N39', 'R07', 'R10', 'L03', 'M54', 'H25'][1 + least(7, floor(u2(pid, n, 'which') * 8))::INTEGER] END
FROM (SELECT *, floor((0.06 + 0.0022 * age + 0.14 * (ihd OR copd OR stroke)::INTEGER + 0.4 * (cancer_on IS NOT NULL)::INTEGER)
             * (last_seen - first_seen) / 365.25 + u(pid, 'stays'))::INTEGER AS stays FROM person), range(stays) r(n)
WHERE last_seen > first_seen
UNION ALL
SELECT o.pid, n, 'outlier', day_between(DATE '2018-03-01', getvariable('last_day') - 120, u2(o.pid, n, 'stay day')),
       'elective', site
FROM outlier o JOIN person p ON p.pid = o.pid, range(o.stays) r(n);

CREATE TABLE stay_fact AS
SELECT s.pid, s.n, s.kind, s.on_day, s.method, s.diagnosis,
       coalesce(o.provider, CASE WHEN u2(s.pid, s.n, s.kind || ' where') < getvariable('rare') THEN 'R9Z'
                                 WHEN u2(s.pid, s.n, s.kind || ' where') < 4 * getvariable('rare') THEN 'R8Y'
                                 ELSE 'R' || (10 + hash(p.practice, getvariable('seed')) % 14)::VARCHAR END) AS provider,
       days AS length_of_stay, least(s.on_day + days, p.last_seen) AS discharged_on,
       round(CASE WHEN o.pid IS NOT NULL THEN o.cost * (0.9 + 0.2 * u2(s.pid, s.n, 'outlier cost'))
                  ELSE (700 + 340 * days) * exp(0.55 * z2(s.pid, s.n, s.kind || ' cost')) END, 2) AS cost
FROM (SELECT *, CASE WHEN method = 'elective' AND u2(pid, n, kind || ' day case') < 0.7 THEN 0
                     ELSE least(180, floor(exp(0.9 + 0.95 * z2(pid, n, kind || ' days'))))::INTEGER END AS days FROM stay) s
JOIN person p ON p.pid = s.pid
LEFT JOIN outlier o ON o.pid = s.pid AND s.kind = 'outlier';

CREATE TABLE clinic_fact AS
SELECT pid, n, day_between(first_seen, last_seen, u2(pid, n, 'clinic day')) AS on_day,
       'R' || (10 + hash(practice, getvariable('seed')) % 14)::VARCHAR AS provider,
       CASE WHEN ihd AND u2(pid, n, 'specialty') < 0.3 THEN '320'
            WHEN cancer_on IS NOT NULL AND u2(pid, n, 'specialty') < 0.4 THEN '370'
            ELSE ['110', '130', '300', '301', '320', '330', '340', '400', '502'][1 + least(8, floor(u2(pid, n, 'which clinic') * 9))::INTEGER]
       END AS specialty,
       CASE WHEN u2(pid, n, 'attended') < 0.08 + 0.012 * poor THEN 'did-not-attend'
            WHEN u2(pid, n, 'attended') < 0.13 THEN 'cancelled' ELSE 'attended' END AS attended,
       CASE WHEN u2(pid, n, 'first') < 0.33 THEN 'first' ELSE 'follow-up' END AS appointment,
       floor(4 - 45 * ln(greatest(u2(pid, n, 'wait'), 1e-6)))::INTEGER AS waiting_days
FROM (SELECT *, floor((0.2 + 0.006 * age + 0.5 * (cancer_on IS NOT NULL)::INTEGER) * (last_seen - first_seen) / 365.25
             + u(pid, 'clinics'))::INTEGER AS clinics FROM person), range(clinics) r(n)
WHERE last_seen > first_seen;

CREATE TABLE emergency_fact AS
SELECT pid, n, day_between(first_seen, last_seen, u2(pid, n, 'emergency day')) AS on_day,
       'R' || (10 + hash(practice, getvariable('seed')) % 14)::VARCHAR AS provider,
       CASE WHEN u2(pid, n, 'arrival') < 0.12 + 0.004 * age THEN 'ambulance' ELSE 'own-way' END AS arrival_mode,
       ['injury', 'chest-pain', 'breathing', 'abdominal', 'infection', 'mental-health', 'other']
           [1 + least(6, floor(u2(pid, n, 'complaint') * 7))::INTEGER] AS complaint,
       least(1400, floor(45 + 90 * exp(0.7 * z2(pid, n, 'minutes'))))::INTEGER AS minutes,
       CASE WHEN u2(pid, n, 'admitted') < 0.08 + 0.004 * age THEN 'admitted' ELSE 'discharged' END AS outcome
FROM (SELECT *, floor((0.16 + 0.05 * poor + 0.0015 * abs(age - 40) + 0.15 * (copd OR ihd)::INTEGER)
             * (last_seen - first_seen) / 365.25 + u(pid, 'emergencies'))::INTEGER AS visits FROM person), range(visits) r(n)
WHERE last_seen > first_seen;
