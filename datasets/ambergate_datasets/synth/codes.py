"""The codes that the synthetic extracts use. Terminologies are licensed, so the clinical codes are our own inventions
in the shape of SNOMED CT and dm+d identifiers; ICD-10 categories are named in our own words."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    code: str
    code_system: str
    cluster: str
    term: str
    units: str | None = None


CODES: tuple[Code, ...] = (
    Code(
        "990001011", "synthetic-snomed", "blood_pressure", "Blood pressure: value1 systolic, value2 diastolic", "mmHg"
    ),
    Code("990001021", "synthetic-snomed", "hba1c", "Glycated haemoglobin", "mmol/mol"),
    Code("990001031", "synthetic-snomed", "bmi", "Body mass index", "kg/m2"),
    Code("990001041", "synthetic-snomed", "cholesterol", "Total cholesterol", "mmol/L"),
    Code("990002011", "synthetic-snomed", "never_smoked", "Never smoked"),
    Code("990002021", "synthetic-snomed", "ex_smoker", "Ex-smoker"),
    Code("990002031", "synthetic-snomed", "current_smoker", "Current smoker"),
    Code("990003011", "synthetic-snomed", "hypertension", "Hypertension diagnosed"),
    Code("990003021", "synthetic-snomed", "diabetes_type_2", "Type 2 diabetes diagnosed"),
    Code("990003031", "synthetic-snomed", "ischaemic_heart_disease", "Ischaemic heart disease diagnosed"),
    Code("990003041", "synthetic-snomed", "stroke", "Stroke diagnosed"),
    Code("990003051", "synthetic-snomed", "atrial_fibrillation", "Atrial fibrillation diagnosed"),
    Code("990003061", "synthetic-snomed", "copd", "Chronic obstructive pulmonary disease diagnosed"),
    Code("990003071", "synthetic-snomed", "asthma", "Asthma diagnosed"),
    Code("990003081", "synthetic-snomed", "depression", "Depression diagnosed"),
    Code("995001011", "synthetic-dmd", "statin", "Statin"),
    Code("995001021", "synthetic-dmd", "antihypertensive", "Antihypertensive"),
    Code("995001031", "synthetic-dmd", "metformin", "Metformin"),
    Code("995001041", "synthetic-dmd", "anticoagulant", "Oral anticoagulant"),
    Code("995001051", "synthetic-dmd", "antiplatelet", "Antiplatelet"),
    Code("995001061", "synthetic-dmd", "inhaler", "Inhaler"),
    Code("995001071", "synthetic-dmd", "antidepressant", "Antidepressant"),
    Code("I20", "icd-10", "ischaemic_heart_disease", "Angina"),
    Code("I21", "icd-10", "ischaemic_heart_disease", "Acute heart attack"),
    Code("I25", "icd-10", "ischaemic_heart_disease", "Chronic ischaemic heart disease"),
    Code("I48", "icd-10", "atrial_fibrillation", "Atrial fibrillation and flutter"),
    Code("I50", "icd-10", "heart_failure", "Heart failure"),
    Code("I63", "icd-10", "stroke", "Ischaemic stroke"),
    Code("E11", "icd-10", "diabetes_type_2", "Type 2 diabetes"),
    Code("J44", "icd-10", "copd", "Chronic obstructive pulmonary disease"),
    Code("J45", "icd-10", "asthma", "Asthma"),
    Code("J18", "icd-10", "pneumonia", "Pneumonia"),
    Code("K80", "icd-10", "gallstones", "Gallstones"),
    Code("N39", "icd-10", "urinary", "Disorders of the urinary system"),
    Code("O80", "icd-10", "delivery", "Single spontaneous delivery"),
    Code("R07", "icd-10", "chest_pain", "Pain in throat and chest"),
    Code("R10", "icd-10", "abdominal_pain", "Abdominal and pelvic pain"),
    Code("L03", "icd-10", "cellulitis", "Cellulitis"),
    Code("M54", "icd-10", "back_pain", "Pain in the back"),
    Code("H25", "icd-10", "cataract", "Cataract of later life"),
    Code("S72", "icd-10", "hip_fracture", "Fracture of femur"),
    Code("Z51", "icd-10", "chemotherapy", "Other medical care, chemotherapy included"),
    Code("F03", "icd-10", "dementia", "Dementia"),
    Code("C18", "icd-10", "cancer", "Colon cancer"),
    Code("C25", "icd-10", "cancer", "Pancreatic cancer"),
    Code("C34", "icd-10", "cancer", "Lung cancer"),
    Code("C43", "icd-10", "cancer", "Melanoma of the skin"),
    Code("C50", "icd-10", "cancer", "Breast cancer"),
    Code("C61", "icd-10", "cancer", "Prostate cancer"),
    Code("C73", "icd-10", "cancer", "Thyroid cancer"),
    Code("C92", "icd-10", "cancer", "Myeloid leukaemia"),
)
