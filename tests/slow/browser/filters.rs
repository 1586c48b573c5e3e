//! The filters of the list are in its address, and so survive the way to other pages and back.

use jobledger::access::Role;

use super::signed_in;

#[test]
fn filters_are_in_the_address_and_survive_reload_back_and_sign_in() {
    let Some((_server, worker, browser)) = signed_in(Role::Viewer, "/?kind=task") else { return };
    assert_eq!(browser.count("tbody tr"), 6);
    browser.type_into("[name='job_type']", "account_sync");
    browser.click(".filters > button");
    browser.until_at("/?kind=task&job_type=account_sync");
    assert_eq!(browser.count("tbody tr"), 3);
    browser.click("[data-count='failed']");
    let narrow = "/?kind=task&job_type=account_sync&status=failed";
    browser.until_at(narrow);
    assert_eq!(browser.text("tbody [data-field='status']"), "failed");
    assert_eq!(browser.text("[data-count='completed'] b"), "2", "the other states are still counted");
    browser.reload();
    browser.until_at(narrow);
    assert_eq!(browser.count("tbody tr"), 1);
    assert_eq!(browser.run("return document.querySelector('[name=job_type]').value"), "account_sync");
    browser.back();
    browser.until_at("/?kind=task&job_type=account_sync");
    assert_eq!(browser.count("tbody tr"), 3);
    browser.click("tbody tr:last-child a");
    browser.until("location.pathname.startsWith('/jobs/')");
    browser.back();
    browser.until_at("/?kind=task&job_type=account_sync");
    assert_eq!(browser.count("tbody tr"), 3);

    browser.run("return fetch('/session', {method: 'DELETE'}).then(answer => answer.status)");
    browser.reload();
    browser.until("location.pathname === '/sign-in'");
    browser.enter(worker.token.as_ref().unwrap());
    browser.until_at("/?kind=task&job_type=account_sync");
    assert_eq!(browser.count("tbody tr"), 3);
    browser.expect_no_fault();
}
