-- Randomness is a hash of (what, which draw, seed): the same seed gives the same population, in any order of execution.
CREATE MACRO u(i, k) AS (hash(i, k, getvariable('seed')) >> 11)::DOUBLE / 9007199254740992.0;
CREATE MACRO u2(i, j, k) AS (hash(i, j, k, getvariable('seed')) >> 11)::DOUBLE / 9007199254740992.0;
CREATE MACRO below(n, i, k) AS least(floor(u(i, k) * n), n - 1)::BIGINT;
CREATE MACRO normal_of(u_a, u_b) AS sqrt(-2 * ln(greatest(u_a, 1e-12))) * cos(6.283185307179586 * u_b);
CREATE MACRO z(i, k) AS normal_of(u(i, k), u(i, k || '~'));
CREATE MACRO z2(i, j, k) AS normal_of(u2(i, j, k), u2(i, j, k || '~'));
CREATE MACRO sigmoid(x) AS 1 / (1 + exp(-x));
-- A list's element, the first ones far likelier than the last.
CREATE MACRO skewed(items, i, k) AS items[1 + least(floor(pow(u(i, k), 1.6) * len(items)), len(items) - 1)::BIGINT];
CREATE MACRO uniform(items, i, k) AS items[1 + below(len(items), i, k)];
CREATE MACRO day_between(first, last, share) AS first + floor(share * (last - first))::INTEGER;

-- The errors of recording. Each takes the true value and the record's key, so that records err independently.
CREATE MACRO swapped_at(s, p) AS s[1:p - 1] || s[p + 1] || s[p] || s[p + 2:];
CREATE MACRO number_recorded(number, other, record, kind) AS CASE
    WHEN u(record, kind || 'number') < getvariable('number_missing') THEN NULL
    WHEN u(record, kind || 'number') < getvariable('number_missing') + getvariable('number_transposed')
        THEN swapped_at(number, 4 + below(6, record, kind || 'at'))
    WHEN u(record, kind || 'number') > 1 - getvariable('number_of_another') THEN other
    ELSE number END;
CREATE MACRO birth_recorded(dob, record, kind) AS CASE
    WHEN u(record, kind || 'dob') < getvariable('dob_missing') THEN NULL
    WHEN u(record, kind || 'dob') > 1 - getvariable('day_month_swapped') / 0.38 AND day(dob) <= 12
        THEN make_date(year(dob), day(dob), month(dob))
    ELSE dob END;
CREATE MACRO postcode_recorded(postcode, other, record, kind) AS CASE
    WHEN u(record, kind || 'postcode') > getvariable('postcode_wrong') THEN postcode
    WHEN u(record, kind || 'postcode') > getvariable('postcode_wrong') / 2 THEN other
    WHEN u(record, kind || 'postcode') > getvariable('postcode_wrong') / 4 THEN 'ZZ99 3VZ'
    ELSE NULL END;
CREATE MACRO name_edited(name, p, how) AS CASE
    WHEN how < 0.4 THEN name[1:p - 1] || name[p + 1:]
    WHEN how < 0.7 THEN name[1:p] || name[p:]
    ELSE name[1:p - 1] || 'e' || name[p + 1:] END;
CREATE MACRO surname_recorded(surname, record, kind) AS CASE
    WHEN u(record, kind || 'surname') < getvariable('surname_edited')
        THEN name_edited(surname, 2 + below(len(surname) - 1, record, kind || 'letter'), u(record, kind || 'how'))
    ELSE surname END;
CREATE MACRO names_swapped(record, kind) AS u(record, kind || 'swapped') < getvariable('names_swapped');
CREATE MACRO covered(person, kind) AS u(person, kind || 'covered') >= getvariable('missing_from_source');
